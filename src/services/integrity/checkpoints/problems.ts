import type { ProblemRegistry } from '#kernel/problem.ts';

export const checkpointProblems = {
  'integrity.checkpoint_not_found': {
    status: 404,
    title: 'There is no checkpoint of this number',
    retryable: true,
    remedy: 'Numbers are 1, 2, 3 …; `GET /v1/integrity/checkpoints` begins with the newest.',
  },
  'integrity.receipt_pending': {
    status: 409,
    title: 'Not all of it is in a signed checkpoint yet',
    retryable: true,
    remedy:
      'Ask again after `retry_after_seconds`: the next checkpoint covers what has happened. If it goes on, no process runs the integrity service, or the service refuses to sign; its log says why.',
  },
  'integrity.receipt_too_large': {
    status: 409,
    title: 'There are more events than a receipt holds',
    retryable: false,
    remedy: 'Read them as a timeline, and have the operator run `lastro verify`.',
  },
} as const satisfies ProblemRegistry;
