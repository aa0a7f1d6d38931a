/** The shapes of the cash flow's API. */
import type { Readable } from 'node:stream';
import { type Static, Type } from 'typebox';
import { ACCOUNT_ID_PATTERN } from '#kernel/account-id.ts';
import { Amount, closed, Instant, nullable, pageOf, pageQuery } from '#platform/http/schemas.ts';

const DESCRIPTION_MAX = 500;
const CATEGORY_MAX = 64;
/** What a list looks for in descriptions. */
const TEXT_MAX = 100;

const Direction = Type.Union([Type.Literal('debit'), Type.Literal('credit')], {
  description: 'A credit adds to the cash book, a debit takes from it.',
});
const AccountIdText = Type.String({
  pattern: ACCOUNT_ID_PATTERN,
  description: 'An account of kind cashbook.',
});
const CategoryText = Type.String({
  minLength: 1,
  maxLength: CATEGORY_MAX,
  description: 'Any text, compared as it is written. Its account is opened when it is first used.',
});
const Day = Type.String({
  format: 'date',
  description: 'A day up to today, in the time zone of the account.',
});
const Description = Type.String({ minLength: 1, maxLength: DESCRIPTION_MAX });

/** Also what a line of a file is. */
export const CashEntryBody = closed(
  {
    account_id: AccountIdText,
    direction: Direction,
    amount: Amount,
    occurred_on: Day,
    description: Description,
    category: Type.Optional(nullable(CategoryText)),
  },
  'A cash entry.',
);

/** May be left out. */
export const ReversalBody = nullable(
  closed(
    {
      reason: Type.Optional(nullable(Description)),
      occurred_on: Type.Optional(nullable(Day)),
    },
    'Why, and the day that it counts for: today, where the account is, if none is given.',
  ),
);

export const CashEntryDocument = Type.Object({
  id: Type.String({ description: '`cen_…`' }),
  account_id: Type.String(),
  direction: Direction,
  amount: Type.Integer({ description: 'Minor units.' }),
  currency: Type.String(),
  occurred_on: Type.String({ format: 'date' }),
  description: Type.String(),
  category: nullable(Type.String()),
  contra_account_id: Type.String({ description: 'The account of the category, against which it is posted.' }),
  entry_id: Type.String({ description: 'Its journal entry, `jen_…`' }),
  reverses: nullable(Type.String({ description: 'The entry that it gives back.' })),
  reversed_by: nullable(Type.String({ description: 'The entry that gave it back.' })),
  import: nullable(Type.Object({ id: Type.String({ description: '`imp_…`' }), line: Type.Integer() })),
  recorded_at: Instant,
});

export const CashEntryPage = pageOf(CashEntryDocument);

export const CashEntryParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

export const CashEntryListQuery = closed({
  ...pageQuery,
  account_id: Type.Optional(AccountIdText),
  occurred_from: Type.Optional(Type.String({ format: 'date', description: 'Of this day or later.' })),
  occurred_to: Type.Optional(Type.String({ format: 'date', description: 'Of this day or earlier.' })),
  from: Type.Optional(
    Type.String({
      format: 'date',
      description: '`occurred_from`, by the name that daily balances have for it.',
    }),
  ),
  to: Type.Optional(Type.String({ format: 'date', description: '`occurred_to`, likewise.' })),
  direction: Type.Optional(Direction),
  category: Type.Optional(CategoryText),
  text: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: TEXT_MAX,
      description:
        'Part of the description. Capital letters are as good as small ones, beyond ASCII only if the locale of the database knows them.',
    }),
  ),
});
export type CashEntryListQuery = Static<typeof CashEntryListQuery>;

export const ImportQuery = closed({
  account_id: Type.Optional(
    Type.String({
      pattern: ACCOUNT_ID_PATTERN,
      description: 'The cash book of all lines; without it the file has a column of that name.',
    }),
  ),
  on_error: Type.Optional(
    Type.Union([Type.Literal('keep'), Type.Literal('none')], {
      description:
        'If a line cannot be recorded: `keep` the others (the default), or record `none`. With `none` a file of up to 250 lines and 64 KiB is recorded in one commit or not at all. Of a longer one all lines are looked at, each as accounts are then, before the first is recorded; if one cannot be, none is. Then they are recorded in commits of up to 250 lines. What prevents a line only by then (its account was closed meanwhile, or the file itself takes more than the floor of its book allows) is told of by line, and the others stand.',
    }),
  ),
});
export type ImportQuery = Static<typeof ImportQuery>;

export const ImportBody = Type.Unsafe<Readable>({ type: 'string', description: 'A CSV file.' });

const Count = Type.Integer({ minimum: 0 });

export const ImportDocument = Type.Object({
  id: Type.String({ description: '`imp_…`' }),
  state: Type.Union(
    ['validating', 'recording', 'completed', 'refused'].map((state) => Type.Literal(state)),
    {
      description:
        '`refused`: with `on_error=none`, a line could not be recorded and so none was. `completed`: all were read; `failed` says how many could not be recorded.',
    },
  ),
  on_error: Type.Union([Type.Literal('keep'), Type.Literal('none')]),
  account_id: nullable(Type.String()),
  sha256: Type.String({ description: 'Of the file.' }),
  bytes: Count,
  lines: Type.Integer({ description: 'Of the file, the one with the names included.' }),
  read: Type.Integer({ description: 'Entries that were read so far, in this state.' }),
  recorded: Count,
  already_recorded: Type.Integer({
    description: 'Of those that were read, recorded when the file was sent before.',
  }),
  failed: Count,
  errors_listed: Type.Integer({ description: 'How many of the failed lines `…/errors` lists.' }),
  created_at: Instant,
  finished_at: nullable(Instant),
});

export const ImportErrorListQuery = closed(pageQuery);

export const ImportErrorPage = pageOf(
  Type.Object({
    line: Type.Integer({ description: 'Of the file, from 1.' }),
    code: Type.String({ description: 'What a request with this entry would be refused with.' }),
    detail: Type.String(),
    errors: Type.Array(Type.Object({ pointer: Type.String(), code: Type.String(), detail: Type.String() })),
  }),
);
