import type { ProblemRegistry } from '#kernel/problem.ts';

export const paymentProblems = {
  'payments.not_found': {
    status: 404,
    title: 'The payment does not exist',
    retryable: false,
    remedy: 'Check the id; payments of other tenants are not visible.',
  },
  'payments.unknown_currency': {
    status: 422,
    title: 'The currency is not an ISO 4217 code',
    retryable: false,
    remedy: 'Use an active ISO 4217 code in capital letters, such as BRL.',
  },
  'payments.same_account': {
    status: 422,
    title: 'Wallet and service are the same account',
    retryable: false,
    remedy: 'Pay from one account to another.',
  },
  'payments.method_unavailable': {
    status: 422,
    title: 'The payment method is not available',
    retryable: false,
    remedy: 'Use `balance`; no provider is configured in this installation.',
  },
  'payments.not_refundable': {
    status: 409,
    title: 'The payment cannot be refunded',
    retryable: false,
    remedy: 'Refund what is completed; a payment under way can be cancelled instead.',
  },
  'payments.refund_exceeds_payment': {
    status: 422,
    title: 'The refund is more than what is left of the payment',
    retryable: false,
    remedy:
      'Refund at most `remaining`; refunds under way count until they have ended without giving anything back.',
  },
  'payments.refund_currency_mismatch': {
    status: 422,
    title: 'The refund is in another currency than the payment',
    retryable: false,
    remedy: 'Refund in the currency of the payment, or leave it out.',
  },
  'payments.not_cancellable': {
    status: 409,
    title: 'The payment has ended',
    retryable: false,
    remedy: 'Nothing is left to cancel; refund a payment that is completed.',
  },
  'payments.outcome_unknown': {
    status: 409,
    title: 'What became of the charge is not known',
    retryable: false,
    remedy:
      'Find out at the provider whether it has charged, and say so by `POST /v1/payments/{id}/resolution`.',
  },
  'payments.not_charged': {
    status: 409,
    title: 'A person found that the provider has not charged',
    retryable: false,
    remedy: 'Pay again, if it is still wanted; the reference is free.',
  },
  'payments.compensation_failed': {
    status: 409,
    title: 'What was done for the payment could not be undone',
    retryable: false,
    remedy:
      'Undo by hand what `detail` tells of, then say `not_charged` by `POST /v1/payments/{id}/resolution`.',
  },
  'refunds.outcome_unknown': {
    status: 409,
    title: 'What became of the refund is not known',
    retryable: false,
    remedy:
      'The provider is still asked, and the refund ends with its answer. If it has none to give, find out there, and say so by `POST /v1/refunds/{id}/resolution`.',
  },
  'payments.not_in_reconciliation': {
    status: 409,
    title: 'The payment has no charge for a person to decide about',
    retryable: false,
    remedy:
      'Resolve payments that are `reconciliation_required`; of a completed gateway payment without refunds say `not_charged`, `regarding` its `completion`.',
  },
  'refunds.not_in_reconciliation': {
    status: 409,
    title: 'The refund is not in doubt at a provider',
    retryable: false,
    remedy:
      'Resolve refunds that are `reconciliation_required`: with `refunds.outcome_unknown` say either, with another code, once what it tells is mended, `refunded`.',
  },
  'refunds.not_found': {
    status: 404,
    title: 'The refund does not exist',
    retryable: false,
    remedy: 'Check the id; refunds of other tenants are not visible.',
  },
  'payments.duplicate_reference': {
    status: 409,
    title: 'A payment with this reference exists',
    retryable: false,
    remedy: 'Read the payment named by `payment_id`; to pay again, use another reference.',
  },
  'payments.idempotency_key_reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    remedy: 'Use a new key for a new request; `errors` names the fields that differ.',
  },
} as const satisfies ProblemRegistry;

export type PaymentProblemCode = keyof typeof paymentProblems;
