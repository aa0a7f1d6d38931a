import type { ProblemRegistry } from '#kernel/problem.ts';

export const hubProblems = {
  'hub.connector_not_found': {
    status: 404,
    title: 'The connector does not exist',
    retryable: false,
    remedy: 'Check the name; connectors of other tenants are not visible.',
  },
  'hub.connector_invalid': {
    status: 422,
    title: 'The connector cannot work',
    retryable: false,
    remedy:
      '`errors` names each place: a schema or an expression that does not compile, a name that is not there.',
  },
  'hub.version_required': {
    status: 428,
    title: 'The version that is replaced must be named',
    retryable: false,
    remedy: 'Send `If-Match` with the ETag of the connector; only a new one needs none.',
  },
  'hub.version_changed': {
    status: 412,
    title: 'The connector has another version by now',
    retryable: false,
    remedy: 'Read the connector again and send `If-Match` with its ETag.',
  },
  'hub.not_for_requests': {
    status: 422,
    title: 'The connector takes webhooks only',
    retryable: false,
    remedy: 'Send to `/hooks/{tenant}/{connector}`, or use a connector whose entry is `api`.',
  },
  'hub.message_too_large': {
    status: 413,
    title: 'The message is too large',
    retryable: false,
    remedy: 'Send at most 64 KiB, and large contents by reference.',
  },
  'hub.integration_not_found': {
    status: 404,
    title: 'The integration does not exist',
    retryable: false,
    remedy: 'Check the id; integrations of other tenants are not visible.',
  },
  'hub.not_replayable': {
    status: 409,
    title: 'The integration cannot be replayed now',
    retryable: true,
    remedy:
      'Replayed is what was refused, has failed or was undone, or has stood still for five minutes; read its status first.',
  },
  'hub.not_undoable': {
    status: 409,
    title: 'The integration cannot be undone',
    retryable: false,
    remedy: 'Undone is what was delivered to a destination that names an undo call, once.',
  },
  'hub.hook_not_found': {
    status: 404,
    title: 'There is no such webhook',
    retryable: false,
    remedy: 'Check the address, or the id of the webhook that was received.',
  },
  'hub.hook_unauthentic': {
    status: 401,
    title: 'The webhook is not authentic',
    retryable: false,
    remedy: 'Sign it as its connector asks for, within five minutes.',
  },
  'hub.idempotency_key_reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    remedy: 'Use a new key for a new request; `errors` names the members that differ.',
  },
} as const satisfies ProblemRegistry;

export type HubProblemCode = keyof typeof hubProblems;
