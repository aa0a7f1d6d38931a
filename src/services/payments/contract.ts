export type { PaymentRequested } from './events.ts';
export { type PaymentProblemCode, paymentProblems } from './problems.ts';
