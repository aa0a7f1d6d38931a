/** Keeps the payment's status: what the saga's events say, moved forward only. */
import type { EpochMs } from '#kernel/clock.ts';
import { type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { isFinal, type PaymentStatus } from './payment.ts';
import { type StatusChange, updateStatuses } from './store.ts';

interface Plan extends ConsumerPlan {
  readonly changes: readonly StatusChange[];
}

const STATUS_AFTER = new Map<string, PaymentStatus>([
  ['payment.authorized', 'authorized'],
  ...Object.entries(balancePayment.endings).map(([type, status]): [string, PaymentStatus] => [
    type,
    status as PaymentStatus,
  ]),
]);

export function paymentStatusConsumer(
  onChanged: (changes: readonly StatusChange[]) => void,
): Consumer<undefined, Plan> {
  return {
    group: 'payments',
    topics: ['authorization', 'validation'],
    emits: null,
    handles: new Map([...STATUS_AFTER.keys()].map((type) => [type, 1])),
    paceMs: 60,
    batchMax: 4000,
    load: () => Promise.resolve(undefined),
    decide: (_, events, now) => decideChanges(events, now),
    save: (tx, { changes }) => updateStatuses(tx, changes),
    committed: ({ changes }) => onChanged(changes),
  };
}

/** A batch of so many is under load: then an intermediate status may be skipped if the final one follows soon. */
const UNDER_LOAD_EVENTS = 64;
/** How long `authorized` is kept back under load, for the ending to come and save its update. An ending never waits. */
const INTERMEDIATE_KEPT_MS = 400;

/** One change per payment, its last: events of one payment come in order. */
function decideChanges(events: readonly LogEvent[], now: EpochMs): Plan {
  const latest = new Map<string, LogEvent>();
  for (const event of events) latest.set(event.subject, event);
  const changes: StatusChange[] = [];
  const retained: LogEvent[] = [];
  for (const event of latest.values()) {
    const status = STATUS_AFTER.get(event.type);
    if (status === undefined) continue;
    const mayWait = events.length >= UNDER_LOAD_EVENTS && now - event.occurredAt < INTERMEDIATE_KEPT_MS;
    if (!isFinal(status) && mayWait) retained.push(event);
    else changes.push(changeOf(event, status));
  }
  return { drafts: [], changes, retained };
}

function changeOf(event: LogEvent, status: PaymentStatus): StatusChange {
  const { code, detail } = event.data as { code?: string; detail?: string };
  const failure = code === undefined ? null : { code, detail: detail ?? '' };
  return {
    tenant: event.tenant,
    uuid: uuidOf(event.subject as PaymentId),
    status,
    failure,
    at: event.occurredAt,
  };
}
