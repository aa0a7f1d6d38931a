import type { ProblemRegistry } from '#kernel/problem.ts';

/** What stands in a payment's or refund's `failure`, and what callbacks are refused with. */
export const providerProblems = {
  'providers.charge_declined': {
    status: 422,
    title: 'The provider refused to charge',
    retryable: false,
    remedy: 'Pay in another way, or ask the payer; `detail` has the provider’s own reason.',
  },
  'providers.unavailable': {
    status: 503,
    title: 'No provider could be reached',
    retryable: true,
    remedy: 'Pay again later; nothing was charged.',
  },
  'providers.no_route': {
    status: 422,
    title: 'No provider takes this payment',
    retryable: false,
    remedy: 'Add a route for the currency and amount to the file named by LASTRO_PROVIDERS_FILE.',
  },
  'providers.refund_refused': {
    status: 422,
    title: 'The provider refused to give the money back',
    retryable: false,
    remedy: 'Give the money back in another way; `detail` has the provider’s own reason.',
  },
  'providers.not_found': {
    status: 404,
    title: 'The provider is not configured',
    retryable: false,
    remedy: 'Use a name of the file named by LASTRO_PROVIDERS_FILE in the callback’s address.',
  },
  'providers.attempt_not_found': {
    status: 404,
    title: 'The callback is about nothing that was asked of this provider',
    retryable: false,
    remedy: 'Send the idempotency key of the charge or refund as `data.key`.',
  },
  'providers.callback_unauthentic': {
    status: 401,
    title: 'The callback is not signed by the provider, or not now',
    retryable: false,
    remedy:
      'Sign id, timestamp and body by Standard Webhooks with the provider’s secret, within five minutes.',
  },
  'providers.idempotency_key_reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    remedy: 'Use a new key for a new request; `errors` names the fields that differ.',
  },
} as const satisfies ProblemRegistry;

export type ProviderProblemCode = keyof typeof providerProblems;
