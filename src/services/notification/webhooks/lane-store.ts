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
  /** The endpoint is disabled: it is kept, and not sent. */
  readonly isSkipped: boolean;
}

export interface Delivery extends NewDelivery {
  readonly uuid: string;
  readonly laneKey: bigint;
  readonly turn: number;
  readonly sequence: number;
}

/** By the unique index; makes the lanes that there are not. Their last turn and number are those behind the batch. */
export const ADVANCE_LANES = statement(
  'notification.advance_lanes',
  `insert into notification.lanes as l (endpoint_key, subject, last_turn, last_sequence, due_at)
   select endpoint_key, subject, turns, numbers, due_at from ${batchRows('v', {
     endpoint_key: 'bigint',
     subject: 'text',
     turns: 'integer',
     numbers: 'integer',
     due_at: 'timestamptz',
   })}
   on conflict (endpoint_key, subject) do update
   set last_turn = l.last_turn + excluded.last_turn, last_sequence = l.last_sequence + excluded.last_sequence,
     due_at = coalesce(l.due_at, excluded.due_at)
   returning l.lane_key, l.endpoint_key, l.subject, l.last_turn, l.last_sequence`,
);

/** By primary key. */
export const FIND_MESSAGES = statement(
  'notification.find_messages',
  `select m.event from ${batchRows('wanted', { event: 'text' })}
   cross join lateral (select m.event from notification.messages m where m.event = wanted.event offset 0) m`,
);

export const INSERT_MESSAGES = statement(
  'notification.insert_messages',
  `insert into notification.messages (event, tenant, type, subject, body, correlation_id, traceparent, occurred_at)
   select * from ${batchRows('v', {
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

/** Which of the events have been told of. */
export async function findMessages(tx: Transaction, events: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ event: string }>(FIND_MESSAGES, [textArray(events)]);
  return new Set(rows.map(({ event }) => event));
}

export function insertMessages(tx: Transaction, messages: readonly Message[]): void {
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
  ]);
}

/** Locks the deliveries' lanes, and gives every delivery its turn and its number. */
export async function takeTurns(
  tx: Transaction,
  deliveries: readonly NewDelivery[],
  now: EpochMs,
): Promise<Delivery[]> {
  if (deliveries.length === 0) return [];
  const lanes = lanesOf(deliveries);
  const rows = await tx.query<LaneRow>(ADVANCE_LANES, [
    int8Array(lanes.map(({ endpointKey }) => endpointKey)),
    textArray(lanes.map(({ subject }) => subject)),
    int4Array(lanes.map(({ turns }) => turns)),
    int4Array(lanes.map(({ numbers }) => numbers)),
    timestamptzArray(lanes.map(({ isWaiting }) => (isWaiting ? now : null))),
  ]);
  const advanced = new Map(rows.map((row) => [`${row.endpoint_key}/${row.subject}`, row]));
  const next = new Map(
    lanes.map((lane) => {
      const row = advanced.get(nameOf(lane)) as LaneRow;
      return [
        nameOf(lane),
        { key: row.lane_key, turn: row.last_turn - lane.turns, sequence: row.last_sequence - lane.numbers },
      ];
    }),
  );
  return deliveries.map((delivery) => {
    const lane = next.get(nameOf(delivery)) as { key: bigint; turn: number; sequence: number };
    const sequence = delivery.sequence ?? ++lane.sequence;
    return { ...delivery, sequence, uuid: uuidOf(newId('dlv')), laneKey: lane.key, turn: ++lane.turn };
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
}

interface LaneAdvance {
  readonly endpointKey: bigint;
  readonly subject: string;
  turns: number;
  numbers: number;
  isWaiting: boolean;
}

/** In the order in which lanes are locked. */
function lanesOf(deliveries: readonly NewDelivery[]): LaneAdvance[] {
  const lanes = new Map<string, LaneAdvance>();
  for (const { endpointKey, subject, sequence, isSkipped } of deliveries) {
    const name = nameOf({ endpointKey, subject });
    const lane = lanes.get(name) ?? { endpointKey, subject, turns: 0, numbers: 0, isWaiting: false };
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
