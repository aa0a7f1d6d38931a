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
    remedy: 'Use `balance`; no gateway is configured in this installation.',
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
