import type { ProblemRegistry } from '#kernel/problem.ts';

export const consolidationProblems = {
  'consolidation.range_reversed': {
    status: 422,
    title: 'The range ends before it starts',
    retryable: false,
    remedy: 'Let `to` be the day of `from`, or a later one.',
  },
  'consolidation.range_too_long': {
    status: 422,
    title: 'The range is too long',
    retryable: false,
    remedy:
      'Ask for at most five years; for several accounts, for at most 50,000 days of all of them together.',
  },
  'consolidation.too_many_accounts': {
    status: 422,
    title: 'There are too many accounts of the kind',
    retryable: false,
    remedy: 'Name up to 100 accounts by `account_id`.',
  },
  'consolidation.currencies_differ': {
    status: 422,
    title: 'The accounts have different currencies',
    retryable: false,
    remedy: 'Ask for the accounts of one currency at a time: amounts of two have no sum.',
  },
} as const satisfies ProblemRegistry;

export type ConsolidationProblemCode = keyof typeof consolidationProblems;
