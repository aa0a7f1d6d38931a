export {
  AUDITED_COMPENSATIONS,
  AUDITED_REFUND_SAGAS,
  AUDITED_SAGAS,
  differingCompensations,
  differingRefundSagas,
  differingSagas,
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
