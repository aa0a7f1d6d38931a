export {
  type CancelAdmitted,
  type PaymentRejected,
  type PaymentTerms,
  type PaymentValidated,
  type RefundRejected,
  type RefundValidated,
  type ResolutionAdmitted,
  termsVersion,
} from './events.ts';
export { validationProblems } from './problems.ts';
