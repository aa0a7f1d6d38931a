import type { ProblemRegistry } from '#kernel/problem.ts';

export const webhookProblems = {
  'webhooks.endpoint_not_found': {
    status: 404,
    title: 'The webhook endpoint does not exist',
    retryable: false,
    remedy: 'Check the id; endpoints of other tenants are not visible.',
  },
  'webhooks.delivery_not_found': {
    status: 404,
    title: 'The delivery does not exist at this endpoint',
    retryable: false,
    remedy: 'Check the id; `GET /v1/webhook-endpoints/{id}/deliveries` lists those that there are.',
  },
  'webhooks.replay_not_found': {
    status: 404,
    title: 'The replay does not exist at this endpoint',
    retryable: false,
    remedy: 'Check the id.',
  },
  'webhooks.url_refused': {
    status: 422,
    title: 'Nothing is sent to this URL',
    retryable: false,
    remedy: 'Name an https URL without credentials whose host is on the public Internet.',
  },
  'webhooks.unknown_event': {
    status: 422,
    title: 'No event is called so',
    retryable: false,
    remedy: 'Name a type that is told of, all of a kind (`payment.*`), or `*`.',
  },
  'webhooks.too_many_endpoints': {
    status: 422,
    title: 'The tenant has as many endpoints as there may be',
    retryable: false,
    remedy: 'Delete one that is not needed any more.',
  },
  'webhooks.endpoint_disabled': {
    status: 409,
    title: 'The endpoint is disabled',
    retryable: false,
    remedy: 'Enable it first: `PATCH` with `{"status": "enabled"}`.',
  },
  'webhooks.range_reversed': {
    status: 422,
    title: 'The range ends before it starts',
    retryable: false,
    remedy: 'Send `from` and `to` with the earlier instant first.',
  },
  'webhooks.idempotency_key_reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    remedy: 'Use a new key for a new request; `errors` names the fields that differ.',
  },
} as const satisfies ProblemRegistry;

export type WebhookProblemCode = keyof typeof webhookProblems;
