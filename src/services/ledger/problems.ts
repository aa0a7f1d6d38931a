import type { ProblemRegistry } from '#kernel/problem.ts';

export const ledgerProblems = {
  'ledger.account_not_found': {
    status: 404,
    title: 'The account does not exist',
    retryable: false,
    remedy: 'Check the id; accounts of other tenants are not visible.',
  },
  'ledger.account_exists': {
    status: 409,
    title: 'An account with this id exists',
    retryable: false,
    remedy: 'Choose another id, or read the existing account.',
  },
  'ledger.account_closed': {
    status: 409,
    title: 'The account is closed',
    retryable: false,
    remedy: 'Use an open account; a closed one is never opened again.',
  },
  'ledger.account_not_empty': {
    status: 409,
    title: 'The account has a balance or a hold, or money is on its way to it',
    retryable: true,
    remedy: 'Move the balance away and wait for open holds and refunds to end, then close it.',
  },
  'ledger.unknown_currency': {
    status: 422,
    title: 'The currency is not an ISO 4217 code',
    retryable: false,
    remedy: 'Use an active ISO 4217 code in capital letters, such as BRL.',
  },
  'ledger.unknown_time_zone': {
    status: 422,
    title: 'The time zone is not an IANA name',
    retryable: false,
    remedy: 'Use a name such as America/Sao_Paulo.',
  },
  'ledger.currency_mismatch': {
    status: 422,
    title: 'The accounts have different currencies',
    retryable: false,
    remedy: 'Postings of one entry balance within each currency, and use the currency of their account.',
  },
  'ledger.unbalanced_entry': {
    status: 422,
    title: 'Debits and credits differ',
    retryable: false,
    remedy: 'Make the debits equal the credits, in each currency.',
  },
  'ledger.insufficient_funds': {
    status: 422,
    title: 'The account cannot pay this amount',
    retryable: true,
    remedy: 'Fund the account, or move less; `available` must not fall below the floor of the account.',
  },
  'ledger.amount_out_of_range': {
    status: 422,
    title: 'A balance would leave the range of exact integers',
    retryable: false,
    remedy: 'Balances and amounts stay within 2^53−1 minor units.',
  },
  'ledger.hold_closed': {
    status: 409,
    title: 'The hold has ended',
    retryable: false,
    remedy: 'A hold ends once, by capture, release or expiry.',
  },
  'ledger.entry_not_found': {
    status: 404,
    title: 'The journal entry does not exist',
    retryable: false,
    remedy: 'Check the id; entries of other tenants are not visible.',
  },
  'ledger.idempotency_key_reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    remedy: 'Use a new key for a new request; `errors` names the fields that differ.',
  },
} as const satisfies ProblemRegistry;

export type LedgerProblemCode = keyof typeof ledgerProblems;
