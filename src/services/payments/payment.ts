import type { EpochMs } from '#kernel/clock.ts';
import { toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { renderAmount } from '#kernel/money.ts';
import type { JsonObject } from '#platform/log/event.ts';

export const PAYMENT_STATUSES = [
  'pending',
  'authorized',
  'completed',
  'rejected',
  'declined',
  'cancelled',
  'failed',
  'compensated',
  'reconciliation_required',
] as const;
export type PaymentStatus = (typeof PAYMENT_STATUSES)[number];

const UNDER_WAY: ReadonlySet<string> = new Set(['pending', 'authorized', 'reconciliation_required']);

/** Of a payment or of a refund: whether the saga has ended. A person may still have a completed payment undone. */
export function isFinal(status: string): boolean {
  return !UNDER_WAY.has(status);
}

const UNPAID: ReadonlySet<PaymentStatus> = new Set([
  'rejected',
  'declined',
  'cancelled',
  'failed',
  'compensated',
]);

/** Whether the payment has ended, and no money has moved in the end: then its reference is free. */
export function isUnpaid(status: PaymentStatus): boolean {
  return UNPAID.has(status);
}

/** A request to pay as it was sent, its shape checked at the edge. Null means what absence does. */
export interface PaymentOrder {
  readonly wallet_id: string;
  readonly service_id: string;
  /** Minor units, 1 to 2^53−1. */
  readonly amount: number;
  readonly currency: string;
  readonly method: 'balance' | 'gateway';
  readonly reference?: string | null;
  readonly description?: string | null;
  readonly metadata?: JsonObject | null;
}

export interface Payment {
  readonly tenant: string;
  readonly uuid: string;
  readonly walletId: string;
  readonly serviceId: string;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly method: 'balance' | 'gateway';
  readonly reference: string | null;
  readonly description: string | null;
  readonly metadata: JsonObject | null;
  readonly status: PaymentStatus;
  /** Why it ended as it did, or why it waits or is being undone. */
  readonly failure: { readonly code: string; readonly detail: string } | null;
  /** Given back so far, in minor units. */
  readonly refundedMinor: bigint;
  readonly correlationId: string;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
}

/** The resource on the wire (DESIGN §6). */
export function renderPayment(payment: Payment): JsonObject {
  return {
    id: idOf('pay', payment.uuid),
    status: payment.status,
    wallet_id: payment.walletId,
    service_id: payment.serviceId,
    amount: renderAmount(payment.amountMinor),
    currency: payment.currency,
    method: payment.method,
    reference: payment.reference,
    description: payment.description,
    metadata: payment.metadata,
    refunded: renderAmount(payment.refundedMinor),
    failure: payment.failure,
    created_at: toRfc3339(payment.createdAt),
    updated_at: toRfc3339(payment.updatedAt),
  };
}
