/** Keeps the payment's status: what the saga's events say, moved forward only. */
import { type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import type { PaymentStatus } from './payment.ts';
import { type StatusChange, updateStatuses } from './store.ts';

interface Plan extends ConsumerPlan {
  readonly changes: readonly StatusChange[];
}

const STATUS_AFTER = new Map<string, PaymentStatus>([
  ['payment.authorized', 'authorized'],
  ...Object.entries(balancePayment.endings).map(([type, status]): [string, PaymentStatus] => [type, status as PaymentStatus]),
]);

export function paymentStatusConsumer(onChanged: (changes: readonly StatusChange[]) => void): Consumer<undefined, Plan> {
  return {
    group: 'payments',
    topics: ['authorization', 'validation'],
    emits: null,
    handles: new Set(STATUS_AFTER.keys()),
    // Nobody's money waits for it. Under load most payments are authorized and completed within one batch, and cost one
    // update instead of two.
    paceMs: 100,
    batchMax: 4000,
    load: () => Promise.resolve(undefined),
    decide: (_, events) => ({ drafts: [], changes: lastChanges(events) }),
    save: (tx, { changes }) => updateStatuses(tx, changes),
    committed: ({ changes }) => onChanged(changes),
  };
}

/** One change per payment, its last: events of one payment come in order. */
function lastChanges(events: readonly LogEvent[]): StatusChange[] {
  const changes = new Map<string, StatusChange>();
  for (const event of events) {
    const status = STATUS_AFTER.get(event.type);
    if (status === undefined) continue;
    const { code, detail } = event.data as { code?: string; detail?: string };
    const failure = code === undefined ? null : { code, detail: detail ?? '' };
    const uuid = uuidOf(event.subject as PaymentId);
    changes.set(event.subject, { tenant: event.tenant, uuid, status, failure, at: event.occurredAt });
  }
  return [...changes.values()];
}
