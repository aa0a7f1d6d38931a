export { differingSagas } from './audit.ts';
export type { PaymentAuthorized, PaymentCompleted, PaymentDeclined, PaymentFailed } from './events.ts';
