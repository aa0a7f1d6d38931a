/** What a person wants of a payment under way: that it is not made, or what became of its charge (D4). */
import type { EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { idOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { CancelOrder, ResolutionOrder } from './change-orders.ts';
import { type ChangeablePayment, changeTotals, paymentNotFound } from './changeable-payment.ts';
import { isFinal, type Payment } from './payment.ts';
import type { PaymentProblemCode } from './problems.ts';

interface Accepted {
  readonly payment: Payment;
  /** Whether the saga has to be told: not if the batch has told it already. */
  readonly isNews: boolean;
}

type InterventionDecision = Decision<Accepted, Problem<PaymentProblemCode>>;

/** Whether it is still possible is for the saga; what has ended is past it. */
export function requestCancel(
  target: ChangeablePayment | undefined,
  order: CancelOrder,
): InterventionDecision {
  if (target === undefined) return refused(paymentNotFound(order.payment_id));
  const { payment } = target;
  if (isFinal(payment.status)) {
    const detail = `Payment ${idOf('pay', payment.uuid)} is ${payment.status}: there is nothing left to cancel.`;
    return refused(problem('payments.not_cancellable', detail));
  }
  const isNews = !target.cancelRequested;
  target.cancelRequested = true;
  return accepted({ payment, isNews });
}

/**
 * A person may say either of a charge that nobody knows the outcome of; of one that is taken for made only that it was
 * not, and then everything is undone: who means that says so, or what was said of an unknown charge would undo a payment
 * that a late answer has just completed. Whoever says that stops refunds of the payment, under the same lock: what is
 * undone as a whole must not be given back in part as well.
 */
export function requestResolution(
  target: ChangeablePayment | undefined,
  order: ResolutionOrder,
  now: EpochMs,
): InterventionDecision {
  if (target === undefined) return refused(paymentNotFound(order.payment_id));
  const obstacle = obstacleToResolution(target, order);
  if (obstacle !== undefined) return refused(problem('payments.not_in_reconciliation', obstacle));
  if (order.outcome === 'not_charged') changeTotals(target, { undoRequestedAt: now });
  return accepted({ payment: target.payment, isNews: true });
}

function obstacleToResolution(
  { payment, totals }: ChangeablePayment,
  { outcome, regarding = 'charge' }: ResolutionOrder,
): string | undefined {
  const what = `Payment ${idOf('pay', payment.uuid)}`;
  const { status, method } = payment;
  const isDenial = outcome === 'not_charged';
  const isDeniable = status === 'completed' && method === 'gateway' && isDenial;
  if (isDeniable && regarding === 'charge')
    return `${what} is completed: its provider has charged. Say \`regarding\`: \`completion\` to have it undone all the same.`;
  if (status === 'reconciliation_required' && regarding === 'completion')
    return `${what} is ${status}, and was not completed: leave \`regarding\` out to say what became of its charge.`;
  if (!isDeniable && status !== 'reconciliation_required')
    return `${what} is ${status}, by ${method}: that it was ${isDenial ? 'not charged' : 'charged'} is not for a person to say.`;
  if (isDenial && totals.promisedMinor > 0n)
    return `${what} has refunds: what was given back in part cannot be undone as a whole.`;
  if (status === 'completed' && (totals.undoRequestedAt !== null || payment.failure !== null))
    return `${what} is being undone already.`;
  return undefined;
}
