import type { ProblemRegistry } from '#kernel/problem.ts';

export const cashflowProblems = {
  'cashflow.not_a_cash_book': {
    status: 422,
    title: 'The account is not a cash book',
    retryable: false,
    remedy: 'Name an account of kind cashbook; entries of other accounts are journal entries.',
  },
  'cashflow.future_date': {
    status: 422,
    title: 'The day has not begun where the account is',
    retryable: true,
    remedy: 'Use a day up to today in the time zone of the account.',
  },
  'cashflow.account_taken': {
    status: 409,
    title: 'The account of the category cannot be used',
    retryable: false,
    remedy: 'It was opened by somebody else as another kind of account, or closed. Use another category.',
  },
  'cashflow.cash_entry_not_found': {
    status: 404,
    title: 'The cash entry does not exist',
    retryable: false,
    remedy: 'Check the id; cash entries of other tenants are not visible.',
  },
  'cashflow.already_reversed': {
    status: 409,
    title: 'The cash entry was reversed before',
    retryable: false,
    remedy: 'An entry is reversed once; `reversed_by` names the entry that did it.',
  },
  'cashflow.is_a_reversal': {
    status: 422,
    title: 'The cash entry is a reversal',
    retryable: false,
    remedy: 'Record the entry anew instead of reversing its reversal.',
  },
  'cashflow.reversed_before_it_occurred': {
    status: 422,
    title: 'The day of the reversal is before that of the entry',
    retryable: false,
    remedy: 'Use the day of the entry or a later one; today, if none is given.',
  },
  'cashflow.range_ends_before_it_starts': {
    status: 422,
    title: 'The range of days ends before it starts',
    retryable: false,
    remedy: 'Let `occurred_to` (or `to`) be the same day as `occurred_from` (or `from`) or a later one.',
  },
  'cashflow.import_not_found': {
    status: 404,
    title: 'The import does not exist',
    retryable: false,
    remedy: 'Check the id; imports of other tenants are not visible.',
  },
  'cashflow.malformed_csv': {
    status: 400,
    title: 'The file is not one that can be imported',
    retryable: false,
    remedy:
      'Send CSV (RFC 4180) in UTF-8: a first line with the names of the columns, then a line for each entry.',
  },
  'cashflow.malformed_line': {
    status: 400,
    title: 'A line of the file is malformed',
    retryable: false,
    remedy:
      'Mend the line; it needs as many values as the first line has names, and no line break in a text.',
  },
  'cashflow.idempotency_key_reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    remedy: 'Use a new key for a new request; `errors` names the fields that differ.',
  },
} as const satisfies ProblemRegistry;

export type CashflowProblemCode = keyof typeof cashflowProblems;
