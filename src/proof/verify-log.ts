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
import { hash } from 'node:crypto';
import { DIGEST_BYTES, merkleRoot } from '#kernel/merkle.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type Installation, schemaOf } from './installation.ts';
import { eachInLanes, type Lane } from './lane.ts';
import { LEAF_SQL } from './leaf-sql.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';
import type { Check } from './report.ts';

const PAGE = { first: 4_000, least: 500, most: 16_000 };
/** A batch is of one commit: of thousands of requests at most, each with a few events. What counts more is not believed. */
const BATCH_EVENTS_MAX = 100_000;
/** What is listed of events where none may be. */
const STRAY_MAX = 100;

interface Partition {
  readonly topic: string;
  readonly partition: number;
}

interface Tip extends Partition {
  /** Undefined: the partition has no head. */
  readonly head: { readonly position: number; readonly chain: Buffer } | undefined;
  readonly lastEvent: number;
  readonly lastBatch: { readonly first: bigint; readonly chain: Buffer } | undefined;
}

interface Batch {
  readonly first: number;
  readonly count: number;
  readonly root: Buffer;
  readonly chain: Buffer;
}

/** A batch with the positions up to the next one, or up to the head. */
interface PlacedBatch extends Batch {
  readonly room: number;
}

export interface LogProof {
  readonly check: Check;
  readonly phase: Phase;
}

export async function verifyLog(
  lanes: readonly Lane[],
  installation: Installation,
  { check, phase }: LogProof,
): Promise<void> {
  const pageSize = new PageSize(PAGE, (lanes[0] as Lane).pace.pageMs);
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

/** One partition, page by page, in order. */
class PartitionWalk {
  readonly #lane: Lane;
  readonly #tip: Tip;
  readonly #pageSize: PageSize;
  readonly #check: Check;
  readonly #phase: Phase;
  /** The next position that no batch has covered yet. */
  #next = 1;
  #chain: Buffer;

  constructor(options: LogProof & { lane: Lane; tip: Tip; pageSize: PageSize }) {
    this.#lane = options.lane;
    this.#tip = options.tip;
    this.#pageSize = options.pageSize;
    this.#check = options.check;
    this.#phase = options.phase;
    this.#chain = genesisOf(options.tip);
  }

  async run(): Promise<void> {
    const end = this.#tip.head?.position ?? this.#tip.lastEvent;
    for (let after = 0; ; ) {
      const startedAt = performance.now();
      const batches = await this.#readBatches(after, end);
      const last = batches.at(-1);
      if (last === undefined) break;
      await this.#provePage(batches);
      after = last.first;
      this.#pageSize.took(performance.now() - startedAt);
    }
    if (this.#next <= end) await this.#reportUncovered(end);
  }

  /**
   * The next batches, those that begin within a page of positions; at least one. By primary key. Their counts bound nothing:
   * they may be anything.
   */
  async #readBatches(after: number, end: number): Promise<PlacedBatch[]> {
    const rows = await this.#lane.query<{
      first: bigint;
      count: number;
      root: Buffer;
      chain: Buffer;
      room: bigint;
    }>(
      `select first, count, root, chain, coalesce(next, $3::bigint + 1) - first as room
       from (
         select *, min(first) over () as page, lead(first) over (order by first) as next
         from (
           select first, count, root, chain from ${schemaOf(this.#tip.topic)}.batches
           where partition = $1 and first > $2 and first <= $3
           order by first limit $4::integer + 1
         ) as read
       ) as followed
       where first < page + $4
       order by first`,
      [this.#tip.partition, after, end, this.#pageSize.rows],
    );
    return rows.map((row) => ({ ...row, first: Number(row.first), room: Number(row.room) }));
  }

  async #provePage(batches: readonly PlacedBatch[]): Promise<void> {
    const from = (batches[0] as Batch).first;
    const leaves = await this.#readLeaves(from, lastOf(batches.at(-1) as PlacedBatch));
    for (const batch of batches) {
      this.#proveTiling(batch);
      this.#proveRoot(batch, leaves);
      this.#next = lastOf(batch) + 1;
      this.#chain = batch.chain;
    }
    for (const position of leaves.missing) this.#missingEvent(position);
    this.#check.looked(leaves.count);
    this.#phase.advance(leaves.count);
  }

  /** C2, C4. Where batches do not join, their chain values cannot: that is one finding, not two. */
  #proveTiling(batch: PlacedBatch): void {
    const { first, count, room } = batch;
    if (first > this.#next) {
      this.#found('missing_batch', this.#next, `no batch covers ${this.#next} to ${first - 1}`);
    } else if (endOf(batch) > lastOf(batch)) {
      const detail = `it counts ${count} events, and has ${room} at most: up to the next batch, or to the end of the log`;
      this.#found('overlapping_batch', first, detail);
    } else if (!batch.chain.equals(chainOf(this.#chain, batch))) {
      this.#found(
        'wrong_chain',
        first,
        'the chain value does not follow from the one before it and the batch',
      );
    }
  }

  /** C3. A batch that lacks an event cannot be hashed; the event is the finding. */
  #proveRoot(batch: Batch, leaves: Leaves): void {
    const own = leaves.of(batch);
    if (own === undefined || merkleRoot(own).equals(batch.root)) return;
    const detail = `the events ${batch.first} to ${endOf(batch)} do not hash to the root of their batch`;
    this.#found('wrong_root', batch.first, detail);
  }

  async #readLeaves(from: number, upTo: number): Promise<Leaves> {
    const events = `${schemaOf(this.#tip.topic)}.events`;
    const [row] = await this.#lane.query<{ count: number; leaves: Buffer | null }>(
      `select count(*)::integer as count, string_agg(leaf, ''::bytea order by position) as leaves
       from (select position, ${LEAF_SQL} as leaf from ${events}
             where partition = $1 and position between $2 and $3) as hashed`,
      [this.#tip.partition, from, upTo],
    );
    const count = row?.count ?? 0;
    const missing = count === upTo - from + 1 ? [] : await this.#readMissing(from, upTo);
    return new Leaves({ from, upTo, bytes: row?.leaves ?? Buffer.alloc(0), count, missing });
  }

  async #readMissing(from: number, upTo: number): Promise<number[]> {
    const rows = await this.#lane.query<{ position: bigint }>(
      `select position from generate_series($2::bigint, $3::bigint) as expected(position)
       except select position from ${schemaOf(this.#tip.topic)}.events where partition = $1 and position between $2 and $3
       order by position`,
      [this.#tip.partition, from, upTo],
    );
    return rows.map(({ position }) => Number(position));
  }

  /** Positions up to the head that no batch covers: whether their events are there or not. Behind the last event there are none. */
  async #reportUncovered(end: number): Promise<void> {
    this.#found('missing_batch', this.#next, `no batch covers ${this.#next} to ${end}`);
    const last = Math.min(end, this.#tip.lastEvent);
    while (this.#next <= last) {
      const upTo = Math.min(last, this.#next + PAGE.most - 1);
      for (const position of await this.#readMissing(this.#next, upTo)) this.#missingEvent(position);
      this.#phase.advance(upTo - this.#next + 1);
      this.#next = upTo + 1;
    }
    if (this.#next === end) this.#missingEvent(end);
    else if (this.#next < end)
      this.#found('missing_event', this.#next, `the log has no event at this position, nor any up to ${end}`);
  }

  /** C1 */
  #missingEvent(position: number): void {
    this.#found('missing_event', position, 'the log has no event at this position');
  }

  #found(kind: string, position: number, detail: string): void {
    this.#check.found({ kind, subject: `${nameOf(this.#tip)}/${position}`, detail });
  }
}

/** The leaves of a page, one after the other, without those of missing events. */
class Leaves {
  readonly count: number;
  readonly missing: readonly number[];
  readonly #from: number;
  readonly #upTo: number;
  readonly #bytes: Buffer;

  constructor(page: {
    from: number;
    upTo: number;
    bytes: Buffer;
    count: number;
    missing: readonly number[];
  }) {
    this.#from = page.from;
    this.#upTo = page.upTo;
    this.#bytes = page.bytes;
    this.count = page.count;
    this.missing = page.missing;
  }

  /** Undefined unless all are there. */
  of({ first, count }: Batch): Buffer[] | undefined {
    const end = first + count - 1;
    if (end > this.#upTo || this.missing.some((position) => position >= first && position <= end))
      return undefined;
    const missingBefore = this.missing.filter((position) => position < first).length;
    const start = (first - this.#from - missingBefore) * DIGEST_BYTES;
    return Array.from({ length: count }, (_, index) =>
      this.#bytes.subarray(start + index * DIGEST_BYTES, start + (index + 1) * DIGEST_BYTES),
    );
  }
}

function endOf({ first, count }: Batch): number {
  return first + count - 1;
}

/** Where it ends, if it ends before the next one begins; else as far as it can reach. */
function lastOf({ first, count, room }: PlacedBatch): number {
  return first + Math.min(count, room, BATCH_EVENTS_MAX) - 1;
}

function nameOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}

/** The chain value before the first append: the hash of the partition's name. */
export function genesisOf(partition: Partition): Buffer {
  return hash('sha256', nameOf(partition), 'buffer');
}

/** SHA-256(previous ‖ first as 8 bytes ‖ count as 4 ‖ root), big-endian. */
export function chainOf(previous: Buffer, { first, count, root }: Batch): Buffer {
  const place = Buffer.alloc(12);
  place.writeBigInt64BE(BigInt(first));
  place.writeInt32BE(count, 8);
  return hash('sha256', Buffer.concat([previous, place, root]), 'buffer');
}
