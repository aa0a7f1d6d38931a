/**
 * Proves each partition of each topic from its first event to its head.
 *
 * C1: the positions 1 … head are there, and none beside them; there are the heads of its partitions, and no others.
 * C2: the batches tile the positions. One beyond the head would stand in the way of the next append.
 * C3: a batch's root is the Merkle root of its events' leaves.
 * C4: a batch's chain value is what the one before it and its own row make; the first follows from the partition's name,
 *     the last stands in the head. Each link is checked from its stored predecessor, so one break is one finding.
 * C5: no consumer has read further than the head.
 * C6: a group that reads a topic has a position in each of its partitions: without one it stands there; and a lease, without which
 *     nobody works there.
 */
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type Installation, schemaOf } from './installation.ts';
import { eachInLanes, type Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import { genesisOf, nameOf } from './partition-chain.ts';
import { EVENTS_PAGE, PartitionWalk, type Tip } from './partition-walk.ts';
import type { Phase } from './progress.ts';
import type { Check } from './report.ts';

/** What is listed of events where none may be. */
const STRAY_MAX = 100;

export interface LogProof {
  readonly check: Check;
  readonly phase: Phase;
}

export async function verifyLog(
  lanes: readonly Lane[],
  installation: Installation,
  { check, phase }: LogProof,
): Promise<void> {
  const pageSize = new PageSize(EVENTS_PAGE, (lanes[0] as Lane).pace.pageMs);
  const tips: Tip[] = [];
  await eachInLanes(lanes, installation.topics, async (lane, topic) => {
    tips.push(...(await readTips(lane, topic, installation.partitions)));
    await findStrays(lane, { topic, partitions: installation.partitions }, check);
  });
  for (const tip of tips) judgeTip(tip, check);
  await eachInLanes(lanes, tips, (lane, tip) =>
    new PartitionWalk({ lane, tip, pageSize, check, phase }).run(),
  );
  await findReadersAhead(lanes[0] as Lane, check);
  await findMissingPositions(lanes[0] as Lane, check);
  await findMissingLeases(lanes[0] as Lane, check);
  await findStrayPlaces(lanes[0] as Lane, installation.partitions, check);
}

interface TipRow {
  partition: number;
  position: bigint | null;
  chain: Buffer;
  last_event: bigint | null;
  last_first: bigint | null;
  last_chain: Buffer;
}

/** One statement, so one instant: an append moves head, batches and events together. By primary keys. */
async function readTips(reader: Reader, topic: string, partitions: number): Promise<Tip[]> {
  const schema = schemaOf(topic);
  const rows = await reader.query<TipRow>(
    `select p.partition::smallint as partition, h.position, h.chain, e.position as last_event,
            b.first as last_first, b.chain as last_chain
     from generate_series(0, $2::integer - 1) as p(partition)
     left join log.heads h on h.topic = $1 and h.partition = p.partition
     left join lateral (
       select position from ${schema}.events e where e.partition = p.partition order by position desc limit 1
     ) e on true
     left join lateral (
       select first, chain from ${schema}.batches b where b.partition = p.partition order by first desc limit 1
     ) b on true`,
    [topic, partitions],
  );
  return rows.map((row) => ({
    topic,
    partition: row.partition,
    head: row.position === null ? undefined : { position: exactly(row.position), chain: row.chain },
    lastEvent: Number(row.last_event ?? 0n),
    lastBatch: row.last_first === null ? undefined : { first: row.last_first, chain: row.last_chain },
  }));
}

/** A head can be moved to where no number is exact, and no log ever comes. */
function exactly(position: bigint): number {
  return Math.min(Number(position), Number.MAX_SAFE_INTEGER);
}

function judgeTip(tip: Tip, check: Check): void {
  const { head, lastEvent, lastBatch } = tip;
  const subject = nameOf(tip);
  if (head === undefined) {
    check.found({
      kind: 'missing_head',
      subject,
      detail: `the log goes up to ${lastEvent}, and has no head`,
    });
    return;
  }
  if (lastEvent > head.position) {
    const detail = `the head is at ${head.position}, the last event at ${lastEvent}`;
    check.found({ kind: 'event_beyond_head', subject: `${subject}/${head.position + 1}`, detail });
  }
  if (lastBatch !== undefined && lastBatch.first > head.position) {
    const detail = `the head is at ${head.position}, the last batch begins at ${lastBatch.first}`;
    check.found({ kind: 'batch_beyond_head', subject: `${subject}/${lastBatch.first}`, detail });
  } else if (!head.chain.equals(lastBatch?.chain ?? genesisOf(tip))) {
    check.found({
      kind: 'wrong_head_chain',
      subject,
      detail: 'the chain value of the head is not that of the last batch',
    });
  }
}

const STRAYS = {
  event: { kind: 'stray_event', detail: 'no event can stand there' },
  batch: { kind: 'stray_batch', detail: 'no batch can stand there' },
  head: { kind: 'stray_head', detail: 'there is no such partition' },
  position: { kind: 'stray_position', detail: 'there is no such partition' },
} as const;

/** Events and batches of partitions that are not, and those before the first position. By primary keys. */
async function findStrays(
  reader: Reader,
  { topic, partitions }: { readonly topic: string; readonly partitions: number },
  check: Check,
): Promise<void> {
  const outside = (what: 'event' | 'batch', table: string, place: string): string =>
    `(select '${what}' as what, partition, ${place} as position from ${table} where partition < 0 limit ${STRAY_MAX})
     union all (select '${what}', partition, ${place} from ${table} where partition >= $1 limit ${STRAY_MAX})
     union all (
       select '${what}', found.* from generate_series(0, $1::integer - 1) as p(partition)
       cross join lateral (
         select t.partition, t.${place} from ${table} t where t.partition = p.partition and t.${place} < 1 limit ${STRAY_MAX}
       ) found
     )`;
  const rows = await reader.query<{ what: 'event' | 'batch'; partition: number; position: bigint }>(
    `${outside('event', `${schemaOf(topic)}.events`, 'position')}
     union all ${outside('batch', `${schemaOf(topic)}.batches`, 'first')}`,
    [partitions],
  );
  for (const { what, partition, position } of rows)
    check.found({ ...STRAYS[what], subject: `${topic}/${partition}/${position}` });
}

/** Heads, and positions of groups, of partitions that are not; a log may have been added since the topics were read. */
async function findStrayPlaces(reader: Reader, partitions: number, check: Check): Promise<void> {
  const isStray = `not (partition between 0 and $1 - 1 and exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = topic and c.relname = 'events' and c.relkind = 'p'))`;
  const rows = await reader.query<{ what: 'head' | 'position'; subject: string }>(
    `select 'head' as what, topic || '/' || partition as subject from log.heads where ${isStray}
     union all
     select 'position', concat_ws('/', consumer_group, topic, partition) from log.positions where ${isStray}
     order by 1, 2`,
    [partitions],
  );
  for (const { what, subject } of rows) check.found({ ...STRAYS[what], subject });
}

/** C5; a group that had read what is gone shows a log that was cut off, however well. One statement, one instant. */
async function findReadersAhead(reader: Reader, check: Check): Promise<void> {
  const rows = await reader.query<{
    consumer_group: string;
    topic: string;
    partition: number;
    position: bigint;
    head: bigint;
  }>(
    `select p.consumer_group, p.topic, p.partition, p.position, coalesce(h.position, 0) as head
     from log.positions p left join log.heads h on h.topic = p.topic and h.partition = p.partition
     where p.position > coalesce(h.position, 0)
     order by 1, 2, 3`,
    [],
  );
  for (const row of rows) {
    const detail = `${row.consumer_group} has read up to ${row.position}, the log ends at ${row.head}`;
    check.found({ kind: 'truncated_log', subject: nameOf(row), detail });
  }
}

/** C6. Which topics a group reads its other positions tell; one without any shows by its leases. */
async function findMissingPositions(reader: Reader, check: Check): Promise<void> {
  const rows = await reader.query<{ subject: string }>(
    `select concat_ws('/', r.consumer_group, r.topic, n.partition) as subject
     from (select distinct consumer_group, topic from log.positions) r
     cross join (select generate_series(0, partitions - 1) as partition from log.installation) n
     where not exists (
       select from log.positions p
       where p.consumer_group = r.consumer_group and p.topic = r.topic and p.partition = n.partition)
     union all
     select distinct l.consumer_group from log.leases l
     where not exists (select from log.positions p where p.consumer_group = l.consumer_group)
     order by 1`,
    [],
  );
  for (const { subject } of rows) {
    const detail = 'the group has no position there, so it is not known what it has read';
    check.found({ kind: 'missing_position', subject, detail });
  }
}

/** C6. They are made when a process starts, and only change hands after that. */
async function findMissingLeases(reader: Reader, check: Check): Promise<void> {
  const rows = await reader.query<{ subject: string }>(
    `select l.consumer_group || '/' || n.partition as subject
     from (select distinct consumer_group from log.leases) l
     cross join (select generate_series(0, partitions - 1) as partition from log.installation) n
     where not exists (
       select from log.leases o where o.consumer_group = l.consumer_group and o.partition = n.partition)
     order by 1`,
    [],
  );
  for (const { subject } of rows) {
    const detail = 'there is no lease, so nobody works there before a process is started';
    check.found({ kind: 'missing_lease', subject, detail });
  }
}
