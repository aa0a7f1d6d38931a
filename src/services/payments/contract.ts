export {
  countPaymentKeys,
  differingPayments,
  differingRequests,
  listPaymentIds,
  type PaymentCursor,
} from './audit.ts';
export type { PaymentRequested } from './events.ts';
export { type PaymentProblemCode, paymentProblems } from './problems.ts';
export { paymentsModel, type RowCursor, removeForgedPayments } from './rebuild.ts';
