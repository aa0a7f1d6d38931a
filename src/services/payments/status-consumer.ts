/**
 * Keeps the statuses of payments and refunds, and how much of each payment is given back: what the sagas' events say,
 * in the order of the coordinator's log.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { type RefundId, uuidOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { PAYMENT_STATUS_EVENTS, type StatusChange, statusChangeOf } from './payment-status.ts';
import {
  isOfRefund,
  REFUND_STATUS_EVENTS,
  RefundBook,
  type RefundChange,
  refundedPayment,
} from './refund-status.ts';
import { loadRefunds, lockTotals, updateRefunds, updateTotals } from './refund-store.ts';
import { updateStatuses } from './store.ts';

interface Plan extends ConsumerPlan {
  readonly changes: readonly StatusChange[];
  readonly refunds: RefundBook;
}

/** Whose status was changed, and to what; null: it stayed what it was. */
export interface Changed {
  readonly of: 'payment' | 'refund';
  readonly uuid: string;
  readonly status: string | null;
}

function changesOf(of: Changed['of'], changes: readonly (StatusChange | RefundChange)[]): Changed[] {
  return changes.map(({ uuid, status }) => ({ of, uuid, status }));
}

export function paymentStatusConsumer(
  onChanged: (changes: readonly Changed[]) => void,
): Consumer<RefundBook, Plan> {
  return {
    group: 'payments',
    topics: ['authorization', 'validation'],
    emits: null,
    handles: new Map([...PAYMENT_STATUS_EVENTS, ...REFUND_STATUS_EVENTS]),
    paceMs: 60,
    batchMax: 4000,
    /** Where no refunds are, nothing is asked. */
    async load(tx, events) {
      const [totals, refunds] = await Promise.all([
        lockTotals(
          tx,
          events.flatMap((event) => refundedPayment(event) ?? []),
        ),
        loadRefunds(
          tx,
          events
            .filter(isOfRefund)
            .map(({ tenant, subject }) => ({ tenant, uuid: uuidOf(subject as RefundId) })),
        ),
      ]);
      return new RefundBook({ totals, refunds });
    },
    decide(refunds, events, now) {
      for (const event of events) refunds.take(event);
      return { drafts: [], refunds, ...decideChanges(events, now) };
    },
    save(tx, { changes, refunds }) {
      updateStatuses(tx, changes);
      const changed = refunds.changes();
      updateRefunds(tx, changed.refunds);
      updateTotals(tx, changed.totals);
    },
    committed: ({ changes, refunds }) =>
      onChanged([...changesOf('payment', changes), ...changesOf('refund', refunds.changes().refunds)]),
  };
}

/** A batch of so many is under load: then an intermediate status may be skipped if the final one follows soon. */
const UNDER_LOAD_EVENTS = 64;
/** How long `authorized` is kept back under load, for the ending to come and save its update. Nothing else waits. */
const INTERMEDIATE_KEPT_MS = 400;

/** One change per payment: events of one payment come in order. */
function decideChanges(events: readonly LogEvent[], now: EpochMs): Pick<Plan, 'changes' | 'retained'> {
  const byPayment = new Map<string, LogEvent[]>();
  for (const event of events) {
    if (!PAYMENT_STATUS_EVENTS.has(event.type)) continue;
    const known = byPayment.get(event.subject);
    if (known === undefined) byPayment.set(event.subject, [event]);
    else known.push(event);
  }
  const changes: StatusChange[] = [];
  const retained: LogEvent[] = [];
  for (const own of byPayment.values()) {
    const last = own.at(-1) as LogEvent;
    const mayWait = events.length >= UNDER_LOAD_EVENTS && now - last.occurredAt < INTERMEDIATE_KEPT_MS;
    if (last.type === 'payment.authorized' && mayWait) {
      retained.push(last);
      continue;
    }
    const change = statusChangeOf(own);
    if (change !== undefined) changes.push(change);
  }
  return { changes, retained };
}
