/** What the saga's events say of a payment: its status, and why it failed, waits or is being undone. Pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { PAYMENT_SAGAS } from '#sagas/definitions.ts';
import type { PaymentStatus } from './payment.ts';

/** What a payment's row becomes. */
export interface StatusChange {
  readonly tenant: string;
  readonly uuid: string;
  /** Null: it stays what it is. */
  readonly status: PaymentStatus | null;
  readonly failure: { readonly code: string; readonly detail: string } | null;
  readonly at: EpochMs;
  /** Of the event in the coordinator's log, which has all but the one that comes from validation: 0. */
  readonly position: number;
  readonly method: 'balance' | 'gateway';
}

/** Tells why what was done for the payment is being undone; what status it then has is told when that is over. */
const COMPENSATING = 'payment.compensating';

const STATUS_AFTER: ReadonlyMap<string, PaymentStatus> = new Map(
  Object.values(PAYMENT_SAGAS).flatMap(({ endings, standings }) =>
    Object.entries({ ...standings, ...endings }).map(([type, status]): [string, PaymentStatus] => [
      type,
      status as PaymentStatus,
    ]),
  ),
);

/** With version 2 since payments are made through providers too. */
const OF_TWO_VERSIONS: ReadonlySet<string> = new Set([
  'payment.authorized',
  'payment.completed',
  'payment.declined',
  'payment.failed',
  'payment.rejected',
]);

/** The events that change a payment's row, each with the newest version that is read. */
export const PAYMENT_STATUS_EVENTS: ReadonlyMap<string, number> = new Map(
  [...STATUS_AFTER.keys(), COMPENSATING].map((type) => [type, OF_TWO_VERSIONS.has(type) ? 2 : 1]),
);

/** What the events of one payment, in their order, make of its row; undefined if none of them changes it. */
export function statusChangeOf(events: readonly LogEvent[]): StatusChange | undefined {
  const telling = events.filter(({ type }) => PAYMENT_STATUS_EVENTS.has(type));
  const last = telling.at(-1);
  if (last === undefined) return undefined;
  const { code, detail, method } = last.data as { code?: string; detail?: string; method?: 'gateway' };
  return {
    tenant: last.tenant,
    uuid: uuidOf(last.subject as PaymentId),
    status: lastStatus(telling),
    failure: code === undefined ? null : { code, detail: detail ?? '' },
    at: last.occurredAt,
    position: coordinatorsPosition(last),
    method: method ?? 'balance',
  };
}

function lastStatus(events: readonly LogEvent[]): PaymentStatus | null {
  for (const { type } of events.toReversed()) {
    const status = STATUS_AFTER.get(type);
    if (status !== undefined) return status;
  }
  return null;
}

/**
 * The order in which a payment's or a refund's statuses follow each other, also when events are delivered again (U3).
 * Not by time: a clock of another process may be behind, and what a person says is caused by no event before it.
 * Validation's events have none: each is the first and the last that there is.
 */
export function coordinatorsPosition({ topic, position }: LogEvent): number {
  return topic === 'authorization' ? position : 0;
}
