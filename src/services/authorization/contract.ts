export {
  AUDITED_COMPENSATIONS,
  AUDITED_REFUND_SAGAS,
  AUDITED_SAGAS,
  type AuditedRetry,
  differingCompensations,
  differingRefundSagas,
  differingSagas,
  listRetries,
} from './audit.ts';
export type {
  ChargeResolved,
  CompensationStep,
  PaymentAuthorized,
  PaymentCancelling,
  PaymentCharged,
  PaymentCompensating,
  PaymentCompleted,
  PaymentDeclined,
  PaymentFailed,
  RefundAuthorized,
  RefundCompleted,
  RefundConfirmed,
} from './events.ts';
