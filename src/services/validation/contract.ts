export type { PaymentRejected, PaymentTerms, PaymentValidated } from './events.ts';
export { validationProblems } from './problems.ts';
