/** Whether money of a payment may be given back (D5). What the service's account says to it is for the saga. */
import type { EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { idOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { RefundOrder } from './change-orders.ts';
import { type ChangeablePayment, changeTotals, paymentNotFound } from './changeable-payment.ts';
import type { RefundRequested } from './events.ts';
import type { Payment } from './payment.ts';
import type { PaymentProblemCode } from './problems.ts';
import type { Refund } from './refund.ts';

export interface RefundRequest {
  /** The refund's uuid, made when the request arrived. */
  readonly uuid: string;
  readonly order: RefundOrder;
  readonly correlationId: string;
}

interface Promised {
  readonly refund: Refund;
  readonly payment: Payment;
}

type RefundDecision = Decision<Promised, Problem<PaymentProblemCode>>;

/**
 * Promises the amount in `target` when it accepts, so that the next order of the batch finds less. `target` is the
 * payment under the lock of its totals; undefined if there is none of the tenant's.
 */
export function requestRefund(
  target: ChangeablePayment | undefined,
  { uuid, order, correlationId }: RefundRequest,
  now: EpochMs,
): RefundDecision {
  if (target === undefined) return refused(paymentNotFound(order.payment_id));
  const obstacle = obstacleTo(target) ?? mismatchOf(target.payment, order);
  if (obstacle !== undefined) return refused(obstacle);
  const { tenant, uuid: paymentUuid, currency } = target.payment;
  const remaining = target.totals.capturedMinor - target.totals.promisedMinor;
  const amountMinor = order.amount === undefined ? remaining : BigInt(order.amount);
  if (amountMinor > remaining || remaining === 0n) return refused(tooMuch(target, remaining));
  changeTotals(target, { promisedMinor: target.totals.promisedMinor + amountMinor });
  const refund: Refund = {
    tenant,
    uuid,
    paymentUuid,
    amountMinor,
    currency,
    reason: order.reason ?? null,
    status: 'pending',
    failure: null,
    correlationId,
    createdAt: now,
    updatedAt: now,
  };
  return accepted({ refund, payment: target.payment });
}

/** Only what was paid, and is not being undone as a whole, can be given back. */
function obstacleTo({ payment, totals }: ChangeablePayment): Problem<PaymentProblemCode> | undefined {
  const id = idOf('pay', payment.uuid);
  if (payment.status !== 'completed')
    return problem(
      'payments.not_refundable',
      `Payment ${id} is ${payment.status}; only what is completed can be given back.`,
    );
  if (payment.failure !== null || totals.undoRequestedAt !== null)
    return problem('payments.not_refundable', `Payment ${id} is being undone as a whole.`);
  return undefined;
}

function mismatchOf(
  { currency }: Payment,
  order: RefundOrder,
): Problem<'payments.refund_currency_mismatch'> | undefined {
  if (order.currency === undefined || order.currency === currency) return undefined;
  const detail = `The payment was made in ${currency}, not in ${order.currency}.`;
  return problem('payments.refund_currency_mismatch', detail, {
    errors: [{ pointer: '/currency', code: 'mismatch', detail }],
  });
}

function tooMuch({ payment }: ChangeablePayment, remaining: bigint): Problem<PaymentProblemCode> {
  const detail = `Of payment ${idOf('pay', payment.uuid)} ${remaining} minor units of ${payment.currency} are left to be given back.`;
  return problem('payments.refund_exceeds_payment', detail, {
    errors: [{ pointer: '/amount', code: 'exceeds', detail }],
    members: { remaining: Number(remaining) },
  });
}

/** Keyed by the wallet, like everything about the payment: its refunds are in the payment's partition. */
export function refundRequested(
  { refund, payment }: Promised,
  cause: { requestId: string; traceparent: string | null },
): EventDraft<RefundRequested> {
  return {
    type: 'refund.requested',
    version: 1,
    subject: idOf('ref', refund.uuid),
    tenant: refund.tenant,
    key: payment.walletId,
    data: {
      payment_id: idOf('pay', payment.uuid),
      wallet_id: payment.walletId,
      service_id: payment.serviceId,
      amount: Number(refund.amountMinor),
      currency: refund.currency,
      method: payment.method,
      reason: refund.reason,
    },
    correlationId: refund.correlationId,
    causation: cause.requestId,
    traceparent: cause.traceparent,
  };
}
