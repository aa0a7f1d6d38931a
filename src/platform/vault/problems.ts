import type { ProblemRegistry } from '#kernel/problem.ts';

export const vaultProblems = {
  'secrets.not_found': {
    status: 404,
    title: 'The secret does not exist',
    retryable: false,
    remedy: 'Check the name; `GET /v1/secrets` lists those that there are.',
  },
  'secrets.too_many': {
    status: 422,
    title: 'There are too many secrets',
    retryable: false,
    remedy: 'Delete those that are not used any more.',
  },
} as const satisfies ProblemRegistry;
