/**
 * The queue's tables as batches write them: lanes, messages, deliveries. A lane is locked before anything of it is read or
 * written (R2), in the order of endpoint and subject where several are; a lane is the only row that two transactions meet at.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import {
  boolArray,
  int4Array,
  int8Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';

/** What is told, and to whom it is to be delivered. */
export interface Message {
  /** The identity of what it tells of. */
  readonly event: string;
  readonly tenant: string;
  readonly type: string;
  readonly subject: string;
  /** The CloudEvent as JSON, as every endpoint gets it but for the sequence. */
  readonly body: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
  readonly occurredAt: EpochMs;
}

/** One message at one endpoint, in the order in which they are to be sent. */
export interface NewDelivery {
  readonly endpointKey: bigint;
  readonly event: string;
  readonly type: string;
  readonly subject: string;
  /** Of one that is sent again: what it was given. Else the next of its subject here. */
  readonly sequence?: number;
  readonly repeats?: string;
  /** After which number its subject begins here, if it has no lane; 0 if it is known to be new (retention.ts). */
  readonly firstAfter: number;
  /** The endpoint is disabled: it is kept, and not sent. */
  readonly isSkipped: boolean;
}

export interface Delivery extends NewDelivery {
  readonly uuid: string;
  readonly laneKey: bigint;
  readonly turn: number;
  readonly sequence: number;
  /** The mark by which this commit has taken it too, its lane having been at rest; else 0. */
  readonly claims: number;
  /** Whether its lane is due now. */
  readonly isDue: boolean;
}

/** Of a commit that takes what it queues: the first delivery of each lane that is at rest. */
export interface Taking {
  /** By which it knows its own again; from 1. */
  readonly mark: number;
  readonly leaseUntil: EpochMs;
  /** Asked once for each lane. */
  readonly mayTake: (endpointKey: bigint) => boolean;
}

/** Marks are below it: what counts on from one stays an integer of the database. */
export const MARKS = 2 ** 30;

/**
 * By the unique index; makes the lanes that there are not. Their last turn and number are those behind the batch. A lane at
 * rest is taken where a mark is given, as claim-store.ts takes it: its first attempt is of this commit.
 */
export const ADVANCE_LANES = statement(
  'notification.advance_lanes',
  `insert into notification.lanes as l (endpoint_key, subject, last_turn, last_sequence, first_after, due_at, claims, attempts)
   select endpoint_key, subject, turns, numbers, first_after, due_at, mark, case when mark = 0 then 0 else 1 end from ${batchRows(
     'v',
     {
       endpoint_key: 'bigint',
       subject: 'text',
       turns: 'integer',
       numbers: 'integer',
       first_after: 'integer',
       due_at: 'timestamptz',
       mark: 'integer',
     },
   )}
   on conflict (endpoint_key, subject) do update
   set last_turn = l.last_turn + excluded.last_turn, last_sequence = l.last_sequence + excluded.last_sequence,
     due_at = coalesce(l.due_at, excluded.due_at),
     claims = case when l.due_at is null and excluded.claims > 0 then excluded.claims else l.claims end,
     attempts = case when l.due_at is null then excluded.attempts else l.attempts end
   returning l.lane_key, l.endpoint_key, l.subject, l.last_turn, l.first_after + l.last_sequence as last_sequence,
     l.due_at, l.claims`,
);

/** By primary key. */
export const FIND_MESSAGES = statement(
  'notification.find_messages',
  `select m.event from ${batchRows('wanted', { event: 'text' })}
   cross join lateral (select m.event from notification.messages m where m.event = wanted.event offset 0) m`,
);

export const INSERT_MESSAGES = statement(
  'notification.insert_messages',
  `insert into notification.messages (event, tenant, type, subject, body, correlation_id, traceparent, occurred_at, queued_at)
   select v.*, $9::timestamptz from ${batchRows('v', {
     event: 'text',
     tenant: 'text',
     type: 'text',
     subject: 'text',
     body: 'text',
     correlation_id: 'text',
     traceparent: 'text',
     occurred_at: 'timestamptz',
   })}`,
);

export const INSERT_DELIVERIES = statement(
  'notification.insert_deliveries',
  `insert into notification.deliveries
     (id, endpoint_key, lane_key, turn, event, type, sequence, status, repeats, finished_at, created_at)
   select id, endpoint_key, lane_key, turn, event, type, sequence, case when is_skipped then 'skipped' else 'pending' end,
     repeats, case when is_skipped then $10::timestamptz end, $10::timestamptz
   from ${batchRows('v', {
     id: 'uuid',
     endpoint_key: 'bigint',
     lane_key: 'bigint',
     turn: 'integer',
     event: 'text',
     type: 'text',
     sequence: 'integer',
     is_skipped: 'boolean',
     repeats: 'uuid',
   })}`,
);

/** By primary key, each locked; of those that are there, so that they are not forgotten before what is queued of them now. */
export const KEEP_MESSAGES = statement(
  'notification.keep_messages',
  `update notification.messages m set queued_at = $2::timestamptz
   from ${batchRows('wanted', { event: 'text' })}
   cross join lateral (
     select t.ctid from notification.messages t where t.event = wanted.event for no key update
   ) as found(at)
   where m.ctid = found.at
   returning m.event`,
);

/** Of the events, each once and ascending, those whose messages there still are: they are kept as long as what is queued now. */
export async function keepMessages(
  tx: Transaction,
  events: readonly string[],
  now: EpochMs,
): Promise<Set<string>> {
  const inOrder = [...new Set(events)].toSorted();
  const rows = await tx.query<{ event: string }>(KEEP_MESSAGES, [textArray(inOrder), new Date(now)]);
  return new Set(rows.map(({ event }) => event));
}

/** Which of the events have been told of. */
export async function findMessages(tx: Transaction, events: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ event: string }>(FIND_MESSAGES, [textArray(events)]);
  return new Set(rows.map(({ event }) => event));
}

export function insertMessages(tx: Transaction, messages: readonly Message[], now: EpochMs): void {
  if (messages.length === 0) return;
  tx.run(INSERT_MESSAGES, [
    textArray(messages.map(({ event }) => event)),
    textArray(messages.map(({ tenant }) => tenant)),
    textArray(messages.map(({ type }) => type)),
    textArray(messages.map(({ subject }) => subject)),
    textArray(messages.map(({ body }) => body)),
    textArray(messages.map(({ correlationId }) => correlationId)),
    textArray(messages.map(({ traceparent }) => traceparent)),
    timestamptzArray(messages.map(({ occurredAt }) => occurredAt)),
    new Date(now),
  ]);
}

/** Locks the deliveries' lanes, and gives every delivery its turn and its number. */
export async function takeTurns(
  tx: Transaction,
  deliveries: readonly NewDelivery[],
  now: EpochMs,
  taking?: Taking,
): Promise<Delivery[]> {
  if (deliveries.length === 0) return [];
  const lanes = lanesOf(deliveries);
  const marks = lanes.map(({ endpointKey, isWaiting }) =>
    isWaiting && taking?.mayTake(endpointKey) === true ? taking.mark : 0,
  );
  const dueAt = (index: number): EpochMs => (marks[index] === 0 ? now : (taking?.leaseUntil ?? now));
  const rows = await tx.query<LaneRow>(ADVANCE_LANES, [
    int8Array(lanes.map(({ endpointKey }) => endpointKey)),
    textArray(lanes.map(({ subject }) => subject)),
    int4Array(lanes.map(({ turns }) => turns)),
    int4Array(lanes.map(({ numbers }) => numbers)),
    int4Array(lanes.map(({ firstAfter }) => firstAfter)),
    timestamptzArray(lanes.map(({ isWaiting }, index) => (isWaiting ? dueAt(index) : null))),
    int4Array(marks),
  ]);
  const advanced = new Map(rows.map((row) => [`${row.endpoint_key}/${row.subject}`, row]));
  const next = new Map(
    lanes.map((lane) => {
      const row = advanced.get(nameOf(lane)) as LaneRow;
      return [
        nameOf(lane),
        {
          key: row.lane_key,
          turn: row.last_turn - lane.turns,
          sequence: row.last_sequence - lane.numbers,
          claims: row.claims === taking?.mark ? row.claims : 0,
          isDue: row.due_at !== null && row.due_at <= now,
        },
      ];
    }),
  );
  return deliveries.map((delivery) => {
    const lane = next.get(nameOf(delivery)) as Advanced;
    const sequence = delivery.sequence ?? ++lane.sequence;
    const { key: laneKey, claims, isDue } = lane;
    lane.claims = 0; // it is the first one's turn
    return { ...delivery, sequence, uuid: uuidOf(newId('dlv')), laneKey, turn: ++lane.turn, claims, isDue };
  });
}

export function insertDeliveries(tx: Transaction, deliveries: readonly Delivery[], now: EpochMs): void {
  if (deliveries.length === 0) return;
  tx.run(INSERT_DELIVERIES, [
    uuidArray(deliveries.map(({ uuid }) => uuid)),
    int8Array(deliveries.map(({ endpointKey }) => endpointKey)),
    int8Array(deliveries.map(({ laneKey }) => laneKey)),
    int4Array(deliveries.map(({ turn }) => turn)),
    textArray(deliveries.map(({ event }) => event)),
    textArray(deliveries.map(({ type }) => type)),
    int4Array(deliveries.map(({ sequence }) => sequence)),
    boolArray(deliveries.map(({ isSkipped }) => isSkipped)),
    uuidArray(deliveries.map(({ repeats }) => repeats ?? null)),
    new Date(now),
  ]);
}

interface LaneRow {
  lane_key: bigint;
  endpoint_key: bigint;
  subject: string;
  last_turn: number;
  last_sequence: number;
  due_at: EpochMs | null;
  claims: number;
}

interface Advanced {
  readonly key: bigint;
  turn: number;
  sequence: number;
  claims: number;
  readonly isDue: boolean;
}

interface LaneAdvance {
  readonly endpointKey: bigint;
  readonly subject: string;
  readonly firstAfter: number;
  turns: number;
  numbers: number;
  isWaiting: boolean;
}

/** In the order in which lanes are locked. */
function lanesOf(deliveries: readonly NewDelivery[]): LaneAdvance[] {
  const lanes = new Map<string, LaneAdvance>();
  for (const { endpointKey, subject, firstAfter, sequence, isSkipped } of deliveries) {
    const name = nameOf({ endpointKey, subject });
    const lane = lanes.get(name) ?? {
      endpointKey,
      subject,
      firstAfter,
      turns: 0,
      numbers: 0,
      isWaiting: false,
    };
    lanes.set(name, lane);
    lane.turns++;
    if (sequence === undefined) lane.numbers++;
    lane.isWaiting ||= !isSkipped;
  }
  return [...lanes.values()].sort(inLockOrder);
}

interface LaneName {
  readonly endpointKey: bigint;
  readonly subject: string;
}

export function inLockOrder(a: LaneName, b: LaneName): number {
  if (a.endpointKey !== b.endpointKey) return a.endpointKey < b.endpointKey ? -1 : 1;
  return a.subject < b.subject ? -1 : 1;
}

function nameOf({ endpointKey, subject }: LaneName): string {
  return `${endpointKey}/${subject}`;
}
