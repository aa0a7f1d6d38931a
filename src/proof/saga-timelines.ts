/** What the logs tell of payments and refunds: of each a timeline, out of all logs that tell of it. */
import type { EpochMs } from '#kernel/clock.ts';
import { isId, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import { rowsInRanges } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { parseData } from './event-data.ts';
import { type IdRange, SAGA_PREFIXES, subjectsOf } from './id-ranges.ts';
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
      SAGA_PREFIXES.map((prefix) => {
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
