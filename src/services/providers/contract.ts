export { AUDITED_ATTEMPTS, type AuditedAttempt, listAttempts } from './audit.ts';
export type {
  ChargedUnexpectedly,
  ProviderApproved,
  ProviderCancelled,
  ProviderClosed,
  ProviderContradicted,
  ProviderDeclined,
  ProviderExhausted,
  ProviderRefunded,
  ProviderRefundRefused,
  ProviderRefundUnresolved,
  ProviderResolved,
  ProviderUnknown,
  ProviderUnresolved,
  UnexpectedChargeRefunded,
} from './events.ts';
export { type ProviderProblemCode, providerProblems } from './problems.ts';
export { UNEXPECTED_REFUNDS_MAX } from './schedule.ts';
export { wakeAttempts } from './wake-attempts.ts';
