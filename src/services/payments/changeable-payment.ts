import type { Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import type { Payment } from './payment.ts';
import type { RefundTotals } from './refund.ts';

/** A payment as a batch of changes has it: loaded under the lock of its totals, and what the batch decided so far. */
export interface ChangeablePayment {
  readonly payment: Payment;
  /** Without a row yet they are zero. */
  totals: RefundTotals;
  /** Whether the totals have a row, which is then locked. */
  readonly stored: boolean;
  /** Whether the batch changed the totals. */
  changed: boolean;
  /** Whether the batch has asked already for it not to be made. */
  cancelRequested: boolean;
}

export function changeable(payment: Payment, totals: RefundTotals | undefined): ChangeablePayment {
  const { tenant, uuid, amountMinor } = payment;
  const none: RefundTotals = {
    tenant,
    paymentUuid: uuid,
    capturedMinor: amountMinor,
    promisedMinor: 0n,
    refundedMinor: 0n,
    undoRequestedAt: null,
  };
  return {
    payment,
    totals: totals ?? none,
    stored: totals !== undefined,
    changed: false,
    cancelRequested: false,
  };
}

export function changeTotals(target: ChangeablePayment, change: Partial<RefundTotals>): void {
  target.totals = { ...target.totals, ...change };
  target.changed = true;
}

export function paymentNotFound(id: string): Problem<'payments.not_found'> {
  return problem('payments.not_found', `There is no payment ${id}.`);
}
