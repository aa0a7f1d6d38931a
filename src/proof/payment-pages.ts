/** The payments and refunds of the logs, in the order of their ids, a page at a time, each page of one instant. */
import type { EpochMs } from '#kernel/clock.ts';
import { type Id, idOf, isId, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import { type Range, type RangedRows, rowsInRanges } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { parseData } from './event-data.ts';
import { schemaOf } from './installation.ts';
import type { TracedEvent } from './traced-event.ts';

/** The logs that tell of payments and refunds. */
export const SAGA_TOPICS = [
  'payments',
  'validation',
  'authorization',
  'ledger',
  'providers',
  'notification',
] as const;

export type SagaTopic = (typeof SAGA_TOPICS)[number];

/** Of what has a saga. */
const PREFIXES = ['pay', 'ref'] as const;

/** The least and the greatest text behind an id's prefix. */
const FIRST_SUFFIX = '';
const LAST_SUFFIX = '7zzzzzzzzzzzzzzzzzzzzzzzzz';

/** Ids after the first suffix up to and including the second, of any prefix. */
export interface IdRange {
  readonly after: string;
  readonly upTo: string;
}

export const FIRST_RANGE: IdRange = { after: FIRST_SUFFIX, upTo: FIRST_SUFFIX };

export function isLast(range: IdRange): boolean {
  return range.upTo === LAST_SUFFIX;
}

export function subjectsOf(
  { after, upTo }: IdRange,
  prefix: 'pay' | 'ref' | 'jen',
): { after: string; upTo: string } {
  return { after: `${prefix}_${after}`, upTo: `${prefix}_${upTo}` };
}

/** The first and last range are open, so that what has an id no log ever gave is in one of them too. */
export function uuidsOf({ after, upTo }: IdRange): Range {
  return {
    after: after === FIRST_SUFFIX ? null : uuidOf(`pay_${after}` as Id<'pay'>),
    upTo: upTo === LAST_SUFFIX ? null : uuidOf(`pay_${upTo}` as Id<'pay'>),
  };
}

/** The range of one payment or refund, and of what has the same uuid under another prefix. */
export function rangeOf(subject: PaymentId | RefundId): IdRange {
  const before = idOf('pay', uuidBefore(uuidOf(subject)));
  return { after: before.slice('pay_'.length), upTo: subject.slice('pay_'.length) };
}

/** The one before it in the order of ids and of rows. Nobody gives the first, or the last, to anything. */
export function uuidBefore(uuid: string): string {
  const number = BigInt(`0x${uuid.replaceAll('-', '')}`);
  const hex = (number === 0n ? 0n : number - 1n).toString(16).padStart(32, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * The range after `previous` that holds about `rows` payments, or refunds, or manual entries, of whichever there are
 * most. By the index on subjects: ids rise with time, so a range is a stretch of time.
 */
export async function nextRange(reader: Reader, previous: IdRange, rows: number): Promise<IdRange> {
  const rest = { after: previous.upTo, upTo: LAST_SUFFIX };
  const found = await Promise.all(
    BOUNDED_BY.map(async ({ prefix, topic }) => {
      const { after, upTo } = subjectsOf(rest, prefix);
      const [row] = await reader.query<{ subject: string }>(
        `select subject from ${schemaOf(topic)}.events where subject > $1 and subject <= $2
         order by subject offset $3 limit 1`,
        [after, upTo, rows],
      );
      return suffixOf(row?.subject ?? null) ?? LAST_SUFFIX;
    }),
  );
  return { after: previous.upTo, upTo: found.sort()[0] ?? LAST_SUFFIX };
}

/** The logs whose subjects bound a range, by kind. */
const BOUNDED_BY = [
  { prefix: 'pay', topic: 'payments' },
  { prefix: 'ref', topic: 'payments' },
  { prefix: 'jen', topic: 'ledger' },
] as const;

/** The suffix of the last payment or refund there is; the first suffix if there is none. */
export async function lastSuffix(reader: Reader): Promise<string> {
  const found = await Promise.all(
    PREFIXES.map(async (prefix) => {
      const { after, upTo } = subjectsOf({ after: FIRST_SUFFIX, upTo: LAST_SUFFIX }, prefix);
      const [row] = await reader.query<{ subject: string }>(
        'select subject from payments.events where subject > $1 and subject <= $2 order by subject desc limit 1',
        [after, upTo],
      );
      return suffixOf(row?.subject ?? null) ?? FIRST_SUFFIX;
    }),
  );
  return found.sort().at(-1) ?? FIRST_SUFFIX;
}

/** Subjects that are neither a payment's nor a refund's. */
export const STRAY_SUBJECTS: readonly Range[] = [
  { after: null, upTo: `pay_${FIRST_SUFFIX}` },
  { after: `pay_${LAST_SUFFIX}`, upTo: `ref_${FIRST_SUFFIX}` },
  { after: `ref_${LAST_SUFFIX}`, upTo: null },
];

/** Undefined for what is no id of ours: such a subject bounds no range. */
function suffixOf(subject: string | null): string | undefined {
  if (subject === null || !BOUNDED_BY.some(({ prefix }) => isId(prefix, subject))) return undefined;
  return subject.slice('pay_'.length);
}

/** Everything the logs tell of one payment or refund. */
export interface SagaTimeline {
  readonly subject: PaymentId | RefundId;
  readonly uuid: string;
  /** By topic, in the order of `SAGA_TOPICS`; within one in the order of its partitions and positions. */
  readonly events: readonly TracedEvent[];
  /** Of the request; the row keeps it. */
  readonly correlationId: string | undefined;
}

interface EventRow {
  partition: number;
  position: bigint;
  type: string;
  subject: string;
  tenant: string;
  data: string;
  occurred_at: EpochMs;
  causation: string;
  correlation_id: string | null;
}

/** The timelines of the payments and refunds of the ranges; by the index on subjects, once for each topic and kind. */
export function readTimelines(reader: Reader, ranges: readonly IdRange[]): Promise<SagaTimeline[]> {
  return timelinesFrom(SAGA_TOPICS, async (topic) => {
    const select = `select ${columnsOf(topic)} from ${schemaOf(topic)}.events e`;
    const byKind = await Promise.all(
      PREFIXES.map((prefix) => {
        const subjects = ranges.map((range) => subjectsOf(range, prefix));
        const { text, parameters } = rowsInRanges({ select, by: 'e.subject', kind: 'text' }, subjects);
        return reader.query<EventRow>(text, parameters);
      }),
    );
    return byKind.flat();
  });
}

/** What the topics tell of the payments and refunds; by the index on subjects, a look-up for each. */
export function readTimelinesOf(
  reader: Reader,
  subjects: readonly (PaymentId | RefundId)[],
  topics: readonly SagaTopic[],
): Promise<SagaTimeline[]> {
  return timelinesFrom(topics, (topic) =>
    reader.query<EventRow>(
      `select ${columnsOf(topic)}
       from unnest($1::text[]) as wanted(subject)
       cross join lateral (
         select * from ${schemaOf(topic)}.events e where e.subject = wanted.subject offset 0
       ) e`,
      [textArray(subjects)],
    ),
  );
}

function columnsOf(topic: SagaTopic): string {
  return `e.partition, e.position, e.type, e.subject, e.tenant, e.data, e.occurred_at, e.causation,
          ${CORRELATED.has(topic) ? 'e.correlation_id' : 'null as correlation_id'}`;
}

/** What a row, or a notification, has the correlation id of. */
const CORRELATED: ReadonlySet<SagaTopic> = new Set(['payments', 'validation', 'authorization']);

async function timelinesFrom(
  topics: readonly SagaTopic[],
  read: (topic: SagaTopic) => Promise<EventRow[]>,
): Promise<SagaTimeline[]> {
  const byTopic = await Promise.all(topics.map(read));
  const timelines = new Map<string, Mutable<SagaTimeline>>();
  byTopic.forEach((rows, index) => {
    const topic = topics[index] as SagaTopic;
    for (const row of rows.sort(byPlace)) enter(timelines, topic, row);
  });
  return [...timelines.values()];
}

function byPlace(a: EventRow, b: EventRow): number {
  return a.partition === b.partition ? Number(a.position) - Number(b.position) : a.partition - b.partition;
}

type Mutable<Timeline> = { -readonly [Member in keyof Timeline]: Timeline[Member] } & {
  events: TracedEvent[];
};

/** Accounts are named by their owners, and may be named like a payment. */
function enter(timelines: Map<string, Mutable<SagaTimeline>>, topic: string, row: EventRow): void {
  const { subject } = row;
  if (!isSagaSubject(subject) || row.type.startsWith('account.')) return;
  let timeline = timelines.get(subject);
  if (timeline === undefined) {
    timeline = { subject, uuid: uuidOf(subject), events: [], correlationId: undefined };
    timelines.set(subject, timeline);
  }
  const position = Number(row.position);
  const correlationId = row.correlation_id ?? undefined;
  if (topic === 'payments') timeline.correlationId ??= correlationId;
  timeline.events.push({
    topic,
    partition: row.partition,
    position,
    identity: `${topic}/${row.partition}/${position}`,
    type: row.type,
    tenant: row.tenant,
    at: row.occurred_at,
    causation: row.causation,
    correlationId,
    data: parseData(row.data),
  });
}

export function isSagaSubject(subject: string): subject is PaymentId | RefundId {
  return isId('pay', subject) || isId('ref', subject);
}

const MANUAL_ENTRIES: RangedRows = {
  select: 'select e.subject from ledger.events e',
  by: 'e.subject',
  kind: 'text',
  only: "e.type = 'entry.posted'",
};

/** Uuids of the manual entries that the log has in the ranges. */
export async function readManualEntries(reader: Reader, ranges: readonly IdRange[]): Promise<string[]> {
  const subjects = ranges.map((range) => subjectsOf(range, 'jen'));
  const { text, parameters } = rowsInRanges(MANUAL_ENTRIES, subjects);
  const rows = await reader.query<{ subject: string }>(text, parameters);
  return rows.flatMap(({ subject }) => (isId('jen', subject) ? uuidOf(subject) : []));
}

/** By partition; where there is none, the group has passed nothing that can be told. */
type Places = ReadonlyMap<number, number>;

/** How far each group has read each partition of its topics, and what of that waits behind a dead letter. */
export class Positions {
  readonly #groups: ReadonlyMap<string, ReadonlyMap<string, Places>>;
  /** By group, identities. */
  readonly #waiting: ReadonlyMap<string, ReadonlySet<string>>;

  private constructor(
    groups: ReadonlyMap<string, ReadonlyMap<string, Places>>,
    waiting: ReadonlyMap<string, ReadonlySet<string>>,
  ) {
    this.#groups = groups;
    this.#waiting = waiting;
  }

  static async read(reader: Reader): Promise<Positions> {
    const [rows, waiting] = await Promise.all([
      reader.query<{ consumer_group: string; topic: string; partition: number; position: bigint }>(
        'select consumer_group, topic, partition, position from log.positions',
        [],
      ),
      readWaiting(reader),
    ]);
    const groups = new Map<string, Map<string, Map<number, number>>>();
    for (const { consumer_group, topic, partition, position } of rows) {
      const topics = groups.get(consumer_group) ?? new Map<string, Map<number, number>>();
      const places = topics.get(topic) ?? new Map<number, number>();
      groups.set(consumer_group, topics.set(topic, places.set(partition, Number(position))));
    }
    return new Positions(groups, waiting);
  }

  /** Whether the group has handled every one of the events that are of its topics. */
  hasPassedAll(group: string, events: readonly TracedEvent[]): boolean {
    const topics = this.#groups.get(group);
    return events.every((event) => {
      const places = topics?.get(event.topic);
      if (places === undefined) return true;
      return event.position <= (places.get(event.partition) ?? 0) && !this.isWaiting(group, event);
    });
  }

  /**
   * Whether the group has committed what follows from the event. It may have before: a group that keeps an event for
   * its next batch keeps its position before it, and goes on with the ones behind.
   */
  hasPassed(group: string, event: TracedEvent): boolean {
    const position = this.#groups.get(group)?.get(event.topic)?.get(event.partition) ?? 0;
    return event.position <= position && !this.isWaiting(group, event);
  }

  /** Whether the event is an open dead letter of the group, or is parked behind one: passed, and not handled. */
  isWaiting(group: string, { identity }: TracedEvent): boolean {
    return this.#waiting.get(group)?.has(identity) === true;
  }
}

/** Both tables hold what waits and nothing else. */
async function readWaiting(reader: Reader): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const rows = await reader.query<{ consumer_group: string; identity: string }>(
    `select consumer_group, topic || '/' || partition || '/' || position as identity
     from log.parked_keys where dead_letter is not null
     union all
     select consumer_group, topic || '/' || partition || '/' || position from log.parked_events`,
    [],
  );
  const groups = Map.groupBy(rows, (row) => row.consumer_group);
  return new Map([...groups].map(([group, own]) => [group, new Set(own.map(({ identity }) => identity))]));
}
