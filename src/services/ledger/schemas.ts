/** The shapes of the ledger's API. */
import { type Static, Type } from 'typebox';
import { ACCOUNT_ID_PATTERN } from '#kernel/account-id.ts';
import { Metadata } from '#platform/http/metadata.ts';
import {
  Amount,
  closed,
  Instant,
  MAX_AMOUNT_MINOR,
  nullable,
  pageOf,
  pageQuery,
} from '#platform/http/schemas.ts';
import { ACCOUNT_KINDS, type AccountKind } from './books.ts';
import { ENTRY_PURPOSES, type EntryPurpose } from './entry-id.ts';

/** How many accounts one entry may touch is bounded by what it may lock (DESIGN §5). */
const POSTINGS_MIN = 2;
const POSTINGS_MAX = 500;
const NAME_MAX = 200;
const DESCRIPTION_MAX = 500;
const REFERENCE_MAX = 255;

/** A balance: an integer of minor units, negative where the account may go below zero. */
const SignedAmount = Type.Integer({ minimum: -MAX_AMOUNT_MINOR, maximum: MAX_AMOUNT_MINOR });
/** A new account has nothing: a floor above 0 would be broken from the start. */
const Floor = Type.Integer({ minimum: -MAX_AMOUNT_MINOR, maximum: 0 });
const AccountIdText = Type.String({ pattern: ACCOUNT_ID_PATTERN, description: 'The id of an account.' });
const Kind = Type.Unsafe<AccountKind>({ type: 'string', enum: [...ACCOUNT_KINDS] });
const Direction = Type.Union([Type.Literal('debit'), Type.Literal('credit')]);

/**
 * An account may not be called what a payment or an entry could be: the logs are searched by the id of what an event
 * is about, and two things of one name would share a history.
 */
const NEW_ACCOUNT_ID_PATTERN = `^(?!(?!acc)[a-z]{3}_[0-9a-z]{26}$)${ACCOUNT_ID_PATTERN.slice(1)}`;

export const OpenAccountBody = closed(
  {
    id: Type.Optional(
      Type.String({
        pattern: NEW_ACCOUNT_ID_PATTERN,
        description:
          'Yours, unique per tenant; one is made if you give none. Not of the form of another id of ours.',
      }),
    ),
    kind: Kind,
    currency: Type.String({
      minLength: 1,
      maxLength: 8,
      description: 'ISO 4217, such as BRL; never changes.',
    }),
    name: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: NAME_MAX }))),
    floor: Type.Optional(
      Type.Union([Floor, Type.Null()], {
        description:
          'The least `available` may be, in minor units, at most 0; null means none. Default 0, and none for external and cashbook.',
      }),
    ),
    time_zone: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'An IANA name. Default America/Sao_Paulo.' }),
    ),
    metadata: Type.Optional(nullable(Metadata)),
  },
  'An account.',
);

export const AccountDocument = Type.Object({
  id: Type.String(),
  kind: Kind,
  currency: Type.String(),
  status: Type.Union([Type.Literal('open'), Type.Literal('closed')]),
  name: nullable(Type.String()),
  floor: nullable(SignedAmount),
  time_zone: Type.String(),
  metadata: nullable(Metadata),
  balance: Type.Object({
    posted: Type.Integer({ description: 'Credits − debits, in minor units.' }),
    held: Type.Union([Type.Integer(), Type.Null()], {
      description: 'Set aside by open holds; null in the past.',
    }),
    available: Type.Union([Type.Integer(), Type.Null()], { description: 'posted − held; null in the past.' }),
    as_of: Instant,
  }),
  opened_at: Instant,
});

/** May be left out, as `curl -X POST` does. */
export const CloseAccountBody = nullable(closed({}, 'Nothing is to be said.'));

export const AccountPage = pageOf(AccountDocument);

export const AccountParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

export const AccountQuery = closed({
  at: Type.Optional(
    Type.String({
      format: 'date-time',
      description:
        'The balance of the postings at or before this instant, 0 before the first; `held` and `available` are null.',
    }),
  ),
});

export const AccountListQuery = closed(pageQuery);

const Posting = Type.Object({
  account_id: Type.String(),
  direction: Direction,
  amount: Type.Integer({ minimum: 1 }),
  currency: Type.String(),
  sequence: Type.Integer({ minimum: 1, description: 'Without gaps, from 1, within the account.' }),
  posted_after: Type.Integer({ description: 'The account’s `posted` after it.' }),
  posted_at: Instant,
});

export const PostingPage = pageOf(
  Type.Object({ ...Posting.properties, entry_id: Type.String({ description: '`jen_…`' }) }),
);

export const PostingListQuery = closed({
  ...pageQuery,
  from: Type.Optional(Type.String({ format: 'date-time', description: 'Posted at or after.' })),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Posted at or before.' })),
});
export type PostingListQuery = Static<typeof PostingListQuery>;

export const PostEntryBody = closed(
  {
    postings: Type.Array(closed({ account_id: AccountIdText, direction: Direction, amount: Amount }), {
      minItems: POSTINGS_MIN,
      maxItems: POSTINGS_MAX,
      description: 'Debits equal credits, in each currency.',
    }),
    description: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: DESCRIPTION_MAX }))),
    reference: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: REFERENCE_MAX }))),
    effective_on: Type.Optional(
      nullable(
        Type.String({ format: 'date', description: 'The day it counts for, if not that of its posting.' }),
      ),
    ),
  },
  'A journal entry: it is posted as a whole, and never changed.',
);

export const EntryDocument = Type.Object({
  id: Type.String({ description: '`jen_…`' }),
  purpose: Type.Unsafe<EntryPurpose>({ type: 'string', enum: [...ENTRY_PURPOSES] }),
  cause: Type.String({ description: 'The id of what it was posted for; a manual entry is its own.' }),
  description: nullable(Type.String()),
  reference: nullable(Type.String()),
  effective_on: nullable(Type.String({ format: 'date' })),
  postings: Type.Array(Posting),
  posted_at: Instant,
});

export const EntryParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });
