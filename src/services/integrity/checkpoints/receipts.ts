/**
 * Receipts: the events of a payment or a refund, each with what proves it against a signed checkpoint, so that whoever
 * has the public key needs nobody else. `src/proof/verify-receipt.ts` is who checks them, and shares no code with this.
 *
 *     event ─path→ root of its batch; the batch ─path→ root of its stretch; the log ─path→ root of the checkpoint
 *
 * What a receipt costs does not depend on how much there is: the batches of the events, and of each of their partitions
 * the stretch of one checkpoint (`STRETCH_PAGES_MAX` bounds it).
 */
import { eventLeaf } from '#platform/log/append.ts';
import { eventIdentity, type JsonObject } from '#platform/log/event.ts';
import type { EventRow } from '#platform/log/event-log.ts';
import { inCausalOrder } from '#platform/log/timeline.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { BATCH_LEAF_SQL, splitDigests } from './checkpoint.ts';
import type { CheckpointReads } from './checkpoint-reads.ts';
import { type StandingRow, standingOf } from './checkpoint-store.ts';
import {
  nameOfBatch,
  nameOfStretch,
  type PlacedBatch,
  type Proofs,
  renderCheckpointProof,
  renderEvent,
  type StoredEvent,
  type Stretch,
} from './render-receipt.ts';

const RECEIPT_FORMAT = 'lastro.receipt.v1';
/** A payment has six events, through providers some dozens; each is 2 KB of a receipt. */
const RECEIPT_EVENTS_MAX = 500;
/** What this service says of a payment is no part of it, and may have been caused by another one's event. */
const OWN_TOPIC = 'integrity';

interface Placed {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
}

export type ReceiptOutcome =
  | { readonly kind: 'receipt'; readonly receipt: JsonObject }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'pending' }
  | { readonly kind: 'too_large' };

export class Receipts {
  readonly #reader: Reader;
  readonly #topics: readonly string[];
  readonly #checkpoints: CheckpointReads;

  constructor(reader: Reader, topics: readonly string[], checkpoints: CheckpointReads) {
    this.#reader = reader;
    this.#topics = topics.filter((topic) => topic !== OWN_TOPIC);
    this.#checkpoints = checkpoints;
  }

  /** `about` names the resource: `{payment_id: 'pay_…'}`. */
  async find(
    about: JsonObject,
    { tenant, subject }: { tenant: string; subject: string },
  ): Promise<ReceiptOutcome> {
    const events = await this.#readEvents(tenant, subject);
    if (events.length === 0) return { kind: 'unknown' };
    if (events.length > RECEIPT_EVENTS_MAX) return { kind: 'too_large' };
    const [batches, stretches] = await Promise.all([this.#readBatches(events), this.#readStretches(events)]);
    if (events.some((event) => !batches.has(eventIdentity(event)) || !stretches.has(eventIdentity(event))))
      return { kind: 'pending' };
    const proofs = await this.#readProofs([...batches.values()], [...stretches.values()]);
    const receipt = {
      format: RECEIPT_FORMAT,
      ...about,
      events: events.map((event) =>
        renderEvent(event, {
          batch: batches.get(eventIdentity(event)) as PlacedBatch,
          stretch: stretches.get(eventIdentity(event)) as Stretch,
          proofs,
        }),
      ),
      checkpoints: await this.#renderCheckpoints([...stretches.values()]),
    };
    return { kind: 'receipt', receipt };
  }

  /** By each topic's index on subject; events of another tenant are not there, nor of an account that is named so. */
  async #readEvents(tenant: string, subject: string): Promise<StoredEvent[]> {
    const parts = this.#topics.map(
      (topic) =>
        `(select '${topic}' as topic, e.* from "${topic}".events e
          where e.subject = $1 and e.tenant = $2 and e.type not like 'account.%' limit ${RECEIPT_EVENTS_MAX + 1})`,
    );
    const rows = await this.#reader.query<EventRow & { topic: string }>(parts.join(' union all '), [
      subject,
      tenant,
    ]);
    return inCausalOrder(rows.map(storedEvent));
  }

  /** The batch of each event, by identity. By the batches' primary key. */
  async #readBatches(events: readonly StoredEvent[]): Promise<Map<string, PlacedBatch>> {
    const found = await this.#inEachTopic(events, (topic, places) =>
      this.#reader.query<{
        partition: number;
        position: bigint;
        first: bigint;
        count: number;
        root: Buffer;
        chain: Buffer;
      }>(
        `select wanted.partition, wanted.position, b.first, b.count, b.root, b.chain
         from unnest($1::smallint[], $2::bigint[]) as wanted(partition, position)
         cross join lateral (
           select first, count, root, chain from "${topic}".batches b
           where b.partition = wanted.partition and b.first <= wanted.position order by b.first desc limit 1
         ) as b`,
        columnsOf(places),
      ),
    );
    return new Map(
      found.map(({ topic, row }) => [
        eventIdentity({ topic, partition: row.partition, position: Number(row.position) }),
        {
          topic,
          partition: row.partition,
          first: Number(row.first),
          count: row.count,
          root: row.root,
          chain: row.chain,
        },
      ]),
    );
  }

  /** The checkpoint that covers each event, by identity: the first that goes so far. By its index on position. */
  async #readStretches(events: readonly StoredEvent[]): Promise<Map<string, Stretch>> {
    const rows = await this.#reader.query<StandingRow & { number: bigint; wanted: bigint }>(
      `select wanted.position as wanted, c.*
       from unnest($1::text[], $2::smallint[], $3::bigint[]) as wanted(topic, partition, position)
       cross join lateral (
         select * from integrity.checkpoint_logs l
         where l.topic = wanted.topic and l.partition = wanted.partition and l.position >= wanted.position
         order by l.position, l.number limit 1
       ) as c`,
      [events.map(({ topic }) => topic), ...columnsOf(events)],
    );
    return new Map(
      rows.map((row) => [
        eventIdentity({ topic: row.topic, partition: row.partition, position: Number(row.wanted) }),
        { ...standingOf(row), number: Number(row.number) },
      ]),
    );
  }

  /** The leaves of the trees that the events are in. */
  async #readProofs(batches: readonly PlacedBatch[], stretches: readonly Stretch[]): Promise<Proofs> {
    const [events, covered] = await Promise.all([
      this.#readEventLeaves(distinct(batches, nameOfBatch)),
      this.#readBatchLeaves(distinct(stretches, nameOfStretch)),
    ]);
    return new Map([...events, ...covered]);
  }

  /** By primary keys. */
  async #readEventLeaves(batches: readonly PlacedBatch[]): Promise<Proofs> {
    const events = await this.#inEachTopic(batches, (topic, own) =>
      this.#reader.query<EventRow & { first: bigint }>(
        `select batch.first, e.*
         from unnest($1::smallint[], $2::bigint[], $3::integer[]) as batch(partition, first, count)
         cross join lateral (
           select * from "${topic}".events e
           where e.partition = batch.partition and e.position between batch.first and batch.first + batch.count - 1
           order by e.position
         ) as e
         order by e.partition, e.position`,
        [own.map(({ partition }) => partition), own.map(({ first }) => first), own.map(({ count }) => count)],
      ),
    );
    const leaves = new Map<string, Buffer[]>();
    for (const { topic, row } of events) {
      const name = nameOfBatch({ topic, partition: row.partition, first: Number(row.first) });
      const own = leaves.get(name) ?? [];
      own.push(leafOf(storedEvent({ ...row, topic })));
      leaves.set(name, own);
    }
    return leaves;
  }

  /** By primary keys. */
  async #readBatchLeaves(stretches: readonly Stretch[]): Promise<Proofs> {
    const covered = await this.#inEachTopic(stretches, (topic, own) =>
      this.#reader.query<{ partition: number; number: bigint; leaves: Buffer }>(
        `select stretch.partition, stretch.number,
                (select string_agg(${BATCH_LEAF_SQL}, ''::bytea order by b.first) from "${topic}".batches b
                 where b.partition = stretch.partition and b.first > stretch.after and b.first <= stretch.up_to) as leaves
         from unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[]) as stretch(partition, number, after, up_to)`,
        [
          own.map(({ partition }) => partition),
          own.map(({ number }) => number),
          own.map(({ from }) => from),
          own.map(({ position }) => position),
        ],
      ),
    );
    return new Map(
      covered.map(({ topic, row }) => [
        nameOfStretch({ topic, partition: row.partition, number: Number(row.number) }),
        splitDigests(row.leaves),
      ]),
    );
  }

  async #renderCheckpoints(stretches: readonly Stretch[]): Promise<JsonObject[]> {
    const byNumber = Map.groupBy(distinct(stretches, nameOfStretch), ({ number }) => number);
    const numbers = [...byNumber.keys()].toSorted((a, b) => a - b);
    return Promise.all(
      numbers.map(async (number) => {
        const [checkpoint, standings] = await Promise.all([
          this.#checkpoints.find(number),
          this.#checkpoints.standingsAt(number),
        ]);
        return renderCheckpointProof(checkpoint, standings, byNumber.get(number) ?? []);
      }),
    );
  }

  async #inEachTopic<Item extends { readonly topic: string }, Row>(
    items: readonly Item[],
    read: (topic: string, own: readonly Item[]) => Promise<Row[]>,
  ): Promise<{ topic: string; row: Row }[]> {
    const byTopic = [...Map.groupBy(items, ({ topic }) => topic)];
    const rows = await Promise.all(
      byTopic.map(async ([topic, own]) => (await read(topic, own)).map((row) => ({ topic, row }))),
    );
    return rows.flat();
  }
}

function distinct<Item>(items: readonly Item[], nameOf: (item: Item) => string): Item[] {
  return [...new Map(items.map((item) => [nameOf(item), item])).values()];
}

function columnsOf(places: readonly Placed[]): [number[], number[]] {
  return [places.map(({ partition }) => partition), places.map(({ position }) => position)];
}

function storedEvent({ occurred_at, position, ...row }: EventRow & { topic: string }): StoredEvent {
  return { ...row, position: Number(position), occurredAt: occurred_at };
}

function leafOf(event: StoredEvent): Buffer {
  const { data, occurredAt, correlation_id: correlationId, ...rest } = event;
  return Buffer.from(eventLeaf({ ...rest, correlationId }, data, occurredAt));
}
