import type { ProblemRegistry } from '#kernel/problem.ts';

/** Why a payment ends `rejected`: in its `failure`, not as an answer, since the request was accepted before. */
export const validationProblems = {
  'validation.account_not_found': {
    status: 422,
    title: 'An account of the payment does not exist',
    retryable: false,
    remedy: 'Open the account first, or correct the id.',
  },
  'validation.account_closed': {
    status: 422,
    title: 'An account of the payment is closed',
    retryable: false,
    remedy: 'Use an open account.',
  },
  'validation.currency_mismatch': {
    status: 422,
    title: 'The payment has another currency than an account of it',
    retryable: false,
    remedy: 'Pay in the currency of both accounts.',
  },
} as const satisfies ProblemRegistry;

export type ValidationProblemCode = keyof typeof validationProblems;
