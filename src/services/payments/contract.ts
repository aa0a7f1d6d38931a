export {
  AUDITED_PAYMENTS,
  AUDITED_REFERENCES,
  countPaymentRows,
  differingPayments,
  differingReferences,
  differingRequests,
  type HeldReference,
  listPaymentIds,
  listReferences,
} from './audit.ts';
export {
  differingRefundRequests,
  differingRefunds,
  differingRefundTotals,
  type ListedRefundTotals,
  listReconciliations,
  listRefundIds,
  listRefundTotals,
  sumRefunds,
  undoRequestsOf,
} from './audit-refunds.ts';
export {
  type CancelRequested,
  type PaymentRequested,
  type RefundRequested,
  type RefundTerms,
  type ResolutionRequested,
  termsVersion,
} from './events.ts';
export { type PaymentProblemCode, paymentProblems } from './problems.ts';
export { paymentsModel, removeForgedPayments } from './rebuild.ts';
export {
  correctRefundTotals,
  countRefundTotals,
  refundsModel,
  removeForgedRefunds,
} from './rebuild-refunds.ts';
export type { RowRef } from './row-ref.ts';
