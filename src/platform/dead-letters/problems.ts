import type { ProblemRegistry } from '#kernel/problem.ts';

export const deadLetterProblems = {
  'dead_letters.not_found': {
    status: 404,
    title: 'The dead letter does not exist',
    retryable: false,
    remedy: 'Check the id; dead letters of other tenants are not visible.',
  },
  'dead_letters.resolved': {
    status: 409,
    title: 'The dead letter is resolved',
    retryable: false,
    remedy:
      'Nothing is left to do; its `actions` tell who did what. If another event of the subject has failed since, it is a dead letter of its own.',
  },
  'dead_letters.order_pending': {
    status: 409,
    title: 'Another order about the dead letter is pending',
    retryable: true,
    remedy:
      'Read the dead letter until its `order` is null; it is executed within seconds where a process runs the group. To skip or discard takes the place of a replay that is pending.',
  },
  'dead_letters.invalid_data': {
    status: 422,
    title: 'The edited data is not what such an event tells',
    retryable: false,
    remedy:
      'Keep to the contract of the event’s type and version, or to the schema of the connector; `errors` names what is wrong.',
  },
  'dead_letters.not_editable': {
    status: 422,
    title: 'What was given up cannot be sent otherwise',
    retryable: false,
    remedy:
      'Replay it without `data`: what a receiver of webhooks is told is what the event says, and an undo takes back what was delivered.',
  },
  'dead_letters.event_missing': {
    status: 409,
    title: 'The event cannot be edited, as its log lacks it',
    retryable: false,
    remedy:
      'Run `lastro verify`: the log is damaged. Restore it from a backup, or skip or discard the dead letter.',
  },
  'dead_letters.terms_changed': {
    status: 422,
    title: 'The edited data tells something else than the event',
    retryable: false,
    remedy:
      'Leave all members but `description`, `detail` and `metadata` as the event has them, and terms that it lacks as the first event of its subject tells them. What cannot be mended so can be replayed by a program that handles it, or skipped; to move money otherwise, post an entry or ask for a refund.',
  },
  'dead_letters.replay_not_found': {
    status: 404,
    title: 'The replay or discard of many does not exist',
    retryable: false,
    remedy: 'Check the id; what other tenants have ordered is not visible.',
  },
  'dead_letters.idempotency_key_reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    remedy: 'Use a new key for a new request; `errors` names the fields that differ.',
  },
} as const satisfies ProblemRegistry;

export type DeadLetterProblemCode = keyof typeof deadLetterProblems;
