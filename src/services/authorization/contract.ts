export type { PaymentAuthorized, PaymentCompleted, PaymentDeclined, PaymentFailed } from './events.ts';
