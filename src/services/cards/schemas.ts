/** The shapes of the cards' API. */
import { type Static, Type } from 'typebox';
import {
  Amount,
  closed,
  Instant,
  MAX_AMOUNT_MINOR,
  nullable,
  pageOf,
  pageQuery,
} from '#platform/http/schemas.ts';
import { CARD_ACCOUNT_PATTERN, CATEGORIES, type Category } from './card.ts';
import type { Balances } from './card-orders.ts';
import { MERCHANT_MAX } from './merchant-name.ts';
import { CALLBACK_URL_MAX } from './read-card-transaction.ts';

const AccountText = Type.String({
  pattern: CARD_ACCOUNT_PATTERN,
  description:
    'What the network calls the card. Its balances are accounts of the ledger: `<account>:FOOD` and so on.',
});
const CategoryText = Type.Unsafe<Category>({ type: 'string', enum: [...CATEGORIES] });
const CodeText = Type.Union([Type.Literal('00'), Type.Literal('51'), Type.Literal('07')], {
  description: '`00` approved, `51` not enough money, `07` anything else, and then nothing is applied.',
});

const CallbackUrl = Type.String({
  minLength: 1,
  maxLength: CALLBACK_URL_MAX,
  description:
    'Where the answers to its card transactions on the `/v1` route are sent, unless the request has a `callback_url` of its own: https; in the sandbox also http.',
});

const BalancesGiven = (minimum: 0 | 1, more: { minProperties?: number; description: string }) =>
  Type.Unsafe<Balances>({
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(
      CATEGORIES.map((category) => [category, { type: 'integer', minimum, maximum: MAX_AMOUNT_MINOR }]),
    ),
    ...more,
  });

export const CreateCardBody = closed(
  {
    account: AccountText,
    currency: Type.String({
      minLength: 1,
      maxLength: 8,
      description: 'ISO 4217, such as BRL; never changes.',
    }),
    balances: Type.Optional(BalancesGiven(0, { description: 'What it begins with, in minor units.' })),
    callback_url: Type.Optional(CallbackUrl),
  },
  'A card.',
);

export const ChangeCardBody = closed(
  { callback_url: nullable(CallbackUrl) },
  'What is to change of a card. Without a `callback_url` (null) who asks waits for the answer.',
);

export const TopUpBody = closed(
  {
    balances: BalancesGiven(1, {
      minProperties: 1,
      description: 'What is added to which balance, in minor units, out of `card-funding-<currency>`.',
    }),
  },
  'What a card is topped up with.',
);

export const CardParams = Type.Object({ account: Type.String({ minLength: 1, maxLength: 64 }) });

const BalancesShown = Type.Unsafe<Record<Category, number>>({
  type: 'object',
  properties: Object.fromEntries(CATEGORIES.map((category) => [category, { type: 'integer' }])),
});

const CARD = {
  account: AccountText,
  currency: Type.String(),
  status: Type.Union([Type.Literal('active'), Type.Literal('blocked')]),
  callback_url: nullable(CallbackUrl),
  balances: BalancesShown,
  held: BalancesShown,
  created_at: Instant,
};
export const CardDocument = Type.Object(CARD);

export const CardTransactionDocument = Type.Object({
  id: Type.String({ description: '`ctx_…`' }),
  account: nullable(Type.String()),
  external_id: nullable(
    Type.String({ description: "The network's own id of it, from `id` or the idempotency header." }),
  ),
  mcc: nullable(Type.String()),
  merchant: nullable(Type.String({ description: 'As received.' })),
  amount: nullable(
    Type.Integer({
      description: 'Minor units. Null of what was not decided, could not be read, or has no card.',
    }),
  ),
  currency: nullable(Type.String()),
  code: CodeText,
  category: nullable(
    Type.Unsafe<Category>({
      ...CategoryText,
      description: 'The balance that paid; of a `51` the one that was meant to.',
    }),
  ),
  decided_by: nullable(
    Type.Union([Type.Literal('merchant_rule'), Type.Literal('mcc'), Type.Literal('fallback')]),
  ),
  reason: nullable(Type.String({ description: 'Of a `07`.' })),
  detail: nullable(Type.String()),
  rules_version: nullable(Type.Integer({ description: 'Of the merchant rules that it was decided by.' })),
  latency_ms: Type.Integer({ description: 'From its arrival to its decision.' }),
  state: Type.Union(
    ['declined', 'held', 'captured', 'released', 'expired'].map((state) => Type.Literal(state)),
  ),
  captured: Type.Integer({ description: 'Minor units.' }),
  reversed: Type.Integer({ description: 'Minor units, of what was captured.' }),
  confirmation: Type.Union([Type.Literal('confirmed'), Type.Literal('unconfirmed')], {
    description: '`unconfirmed`: approved, but the answer may never have been sent.',
  }),
  decided_at: Instant,
});

export const CardWithTransactionsDocument = Type.Object({
  ...CARD,
  card_transactions: Type.Array(CardTransactionDocument, { description: 'The last ten.' }),
});

export const CardTransactionPage = pageOf(CardTransactionDocument);

export const CardTransactionListQuery = closed({
  ...pageQuery,
  account: Type.Optional(AccountText),
  code: Type.Optional(CodeText),
  confirmation: Type.Optional(Type.Literal('unconfirmed')),
  from: Type.Optional(Type.String({ format: 'date-time', description: 'Decided then or later.' })),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Decided before.' })),
});
export type CardTransactionListQuery = Static<typeof CardTransactionListQuery>;

export const CardTransactionParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

/** May be left out. */
export const BlockBody = nullable(closed({}, 'Nothing is to be said.'));

/** May be left out. */
export const GiveBackBody = nullable(
  closed({ amount: Type.Optional(Amount) }, 'All that is left, or held, if no amount is given.'),
);

/** What one batch may have to look through for every card transaction. */
const RULES_MAX = 1000;

const RuleBody = closed({
  pattern: Type.String({
    minLength: 1,
    maxLength: MERCHANT_MAX,
    pattern: '\\S',
    description: 'Compared without regard to case and repeated spaces.',
  }),
  match: Type.Union([Type.Literal('exact'), Type.Literal('prefix')], {
    description:
      'With all that a network sends of a merchant, the city at its end included, or with its beginning: a merchant anywhere is a prefix. With a space at its end a prefix matches whole words.',
  }),
  category: CategoryText,
});

export const RulesBody = closed(
  {
    rules: Type.Array(RuleBody, { maxItems: RULES_MAX }),
    version: Type.Optional(
      Type.Integer({ minimum: 0, description: 'As it was read; which version is replaced, If-Match says.' }),
    ),
  },
  'All merchant rules; they replace those that there are.',
);

export const RulesDocument = Type.Object({
  version: Type.Integer({ minimum: 0, description: '0 before there are any; also the ETag.' }),
  rules: Type.Array(RuleBody),
});

/** What the two routes of the authorizer take (K1). It stands in the API document alone: whatever else comes in is a `07`. */
export const CardTransactionBody = Type.Object(
  {
    id: Type.Optional(
      Type.String({
        description: "The network's own id: a repeat gets the first answer. So does the idempotency header.",
      }),
    ),
    account: Type.Optional(Type.String()),
    accountId: Type.Optional(Type.String({ description: 'Another name of `account`.' })),
    totalAmount: Type.Optional(
      Type.Number({
        description: 'A decimal in major units, of at most two decimals, read digit by digit.',
      }),
    ),
    amount: Type.Optional(Type.Number({ description: 'Another name of `totalAmount`.' })),
    mcc: Type.String({ description: 'Four digits (ISO 18245).' }),
    merchant: Type.String({
      description: '1 to 100 characters; networks send 40, the name left, the city right.',
    }),
    capture: Type.Optional(
      Type.Boolean({
        description: 'False: the amount is held until it is captured, for at most seven days.',
      }),
    ),
    callback_url: Type.Optional(
      nullable(
        Type.String({
          maxLength: CALLBACK_URL_MAX,
          description:
            "Where the answer is sent, on the `/v1` route: https; in the sandbox also http. Instead of the card's own; null: nowhere, whatever the card says.",
        }),
      ),
    ),
  },
  {
    description: 'A card transaction.',
    allOf: [anyNameOf('account', 'accountId'), anyNameOf('totalAmount', 'amount')],
  },
);

function anyNameOf(...names: readonly string[]) {
  return { anyOf: names.map((name) => ({ required: [name] })) };
}

export const CodeDocument = Type.Object({ code: CodeText });

export const CardPendingDocument = Type.Object({
  id: Type.String({ description: '`ctx_…`' }),
  status: Type.Literal('pending'),
});

export const CardAnswerDocument = Type.Object({
  id: Type.String({ description: '`ctx_…`' }),
  code: CodeText,
  category: nullable(CategoryText),
  decided_by: nullable(Type.String()),
  latency_ms: Type.Integer(),
});
