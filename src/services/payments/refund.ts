import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { renderAmount } from '#kernel/money.ts';
import type { JsonObject } from '#platform/log/event.ts';

export const REFUND_STATUSES = [
  'pending',
  'authorized',
  'completed',
  'rejected',
  'declined',
  'failed',
  'reconciliation_required',
] as const;
export type RefundStatus = (typeof REFUND_STATUSES)[number];

/** Ended without having given anything back: the promise is free again. */
const NOT_GIVEN: ReadonlySet<RefundStatus> = new Set(['rejected', 'declined', 'failed']);

/** Money of a payment that is given back, or is to be. */
export interface Refund {
  readonly tenant: string;
  readonly uuid: string;
  readonly paymentUuid: string;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly reason: string | null;
  readonly status: RefundStatus;
  readonly failure: { readonly code: string; readonly detail: string } | null;
  readonly correlationId: string;
  readonly createdAt: EpochMs;
  readonly updatedAt: EpochMs;
}

/** What is given back of one payment. Minor units of its currency. */
export interface RefundTotals {
  readonly tenant: string;
  readonly paymentUuid: string;
  readonly capturedMinor: bigint;
  /** Of refunds that are completed, or may still be. Never above what was captured. */
  readonly promisedMinor: bigint;
  /** Of refunds that are completed. */
  readonly refundedMinor: bigint;
  /** Since when a person wants the whole payment undone; null unless one does. */
  readonly undoRequestedAt: EpochMs | null;
}

/** How much of the amount the status promises, and how much it has given back. */
export function shareOf(status: RefundStatus, amountMinor: bigint): { promised: bigint; refunded: bigint } {
  return {
    promised: NOT_GIVEN.has(status) ? 0n : amountMinor,
    refunded: status === 'completed' ? amountMinor : 0n,
  };
}

/** A payment, or what is given back of it, as text: tenants contain no slash. */
export function paymentKey(of: { readonly tenant: string; readonly uuid: string }): string {
  return `${of.tenant}/${of.uuid}`;
}

/** The resource on the wire. */
export function renderRefund(refund: Refund): JsonObject {
  return {
    id: idOf('ref', refund.uuid),
    payment_id: idOf('pay', refund.paymentUuid),
    status: refund.status,
    amount: renderAmount(refund.amountMinor),
    currency: refund.currency,
    reason: refund.reason,
    failure: refund.failure,
    created_at: toRfc3339(refund.createdAt),
    updated_at: toRfc3339(refund.updatedAt),
  };
}
