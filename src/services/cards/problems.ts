import type { ProblemRegistry } from '#kernel/problem.ts';

export const cardProblems = {
  'cards.card_not_found': {
    status: 404,
    title: 'The card does not exist',
    retryable: false,
    remedy: 'Check the account; cards of other tenants are not visible.',
  },
  'cards.card_exists': {
    status: 409,
    title: 'A card with this account exists',
    retryable: false,
    remedy: 'Choose another account, or read the existing card.',
  },
  'cards.account_taken': {
    status: 409,
    title: 'An account of the ledger has a name that the card needs',
    retryable: false,
    remedy:
      'Choose another account for the card. Its balances are accounts of the ledger, and so are `card-funding-…` and `card-settlement-…` of its currency.',
  },
  'cards.callback_refused': {
    status: 422,
    title: 'Nothing can be sent to the URL',
    retryable: false,
    remedy:
      'Name an https URL of the public Internet, without credentials; in the sandbox any http or https URL.',
  },
  'cards.card_transaction_not_found': {
    status: 404,
    title: 'The card transaction does not exist',
    retryable: false,
    remedy: 'Check the id; card transactions of other tenants are not visible.',
  },
  'cards.nothing_to_reverse': {
    status: 409,
    title: 'Nothing of the card transaction is left to be given back',
    retryable: false,
    remedy: 'Only what was approved, and was not reversed, released or expired before, can be reversed.',
  },
  'cards.exceeds_card_transaction': {
    status: 422,
    title: 'The amount is more than is left of the card transaction',
    retryable: false,
    remedy: 'Ask for at most what was approved and not given back yet.',
  },
  'cards.partial_before_capture': {
    status: 409,
    title: 'What is held cannot be reversed in part',
    retryable: false,
    remedy: 'Capture the amount that is wanted, which gives the rest back, or reverse it as a whole.',
  },
  'cards.not_held': {
    status: 409,
    title: 'The card transaction holds nothing that could be captured',
    retryable: false,
    remedy:
      'Only what was approved with `capture: false` can be captured, once, until it expires or is reversed.',
  },
  'cards.rules_changed': {
    status: 412,
    title: 'The merchant rules are of another version than the one named',
    retryable: false,
    remedy: 'Read the rules again, and send the ETag that comes with them as If-Match.',
  },
  'cards.rules_version_required': {
    status: 428,
    title: 'The request does not say which version of the merchant rules it replaces',
    retryable: false,
    remedy: 'Send the ETag of the rules as If-Match; `"0"` before there are any.',
  },
  'cards.ambiguous_rule': {
    status: 422,
    title: 'Two merchant rules are about the same name',
    retryable: false,
    remedy: 'Leave one of the two. Names are compared without regard to case and repeated spaces.',
  },
  'cards.idempotency_key_reused': {
    status: 422,
    title: 'The idempotency key was used with another body',
    retryable: false,
    remedy: 'Use a new key for a new request; `errors` names the members that differ.',
  },
} as const satisfies ProblemRegistry;

export type CardProblemCode = keyof typeof cardProblems;
