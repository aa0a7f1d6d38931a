/** The shapes of the API of days. */
import { type TSchema, Type } from 'typebox';
import { ACCOUNT_ID_PATTERN } from '#kernel/account-id.ts';
import { closed, Instant, nullable, ProblemDocument, pageOf, pageQuery } from '#platform/http/schemas.ts';
import { ACCOUNT_KINDS } from '#services/ledger/contract.ts';

/** Accounts of one report. */
export const ACCOUNTS_MAX = 100;

const Day = Type.String({ format: 'date' });
const AccountId = Type.String({ pattern: ACCOUNT_ID_PATTERN });

export const AccountParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });
export const DayParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }), date: Day });

const range = {
  from: Type.String({ format: 'date', description: 'The first day.' }),
  to: Type.Optional(
    Type.String({
      format: 'date',
      description: 'The last day, at most five years later; default the first.',
    }),
  ),
};

export const RangeQuery = closed(range);

export const SumQuery = closed({
  ...range,
  account_id: Type.Optional(
    Type.Union([AccountId, Type.Array(AccountId, { minItems: 1, maxItems: ACCOUNTS_MAX })], {
      description: `Once for each account, up to ${ACCOUNTS_MAX}, all of one currency.`,
    }),
  ),
  kind: Type.Optional(
    Type.String({
      enum: [...ACCOUNT_KINDS],
      description: `Instead of accounts: all of a kind, up to ${ACCOUNTS_MAX}. Needs \`currency\`.`,
    }),
  ),
  category: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'Instead of accounts: a category of cash entries. Needs `currency`.',
    }),
  ),
  currency: Type.Optional(
    Type.String({ pattern: '^[A-Z]{3}$', description: 'Of the accounts of the kind, or of the category.' }),
  ),
});

export const VersionsQuery = closed(pageQuery);

const figures = {
  date: Day,
  opening: Type.Integer({ description: 'In minor units, like all that follow.' }),
  credits: Type.Integer({ minimum: 0 }),
  debits: Type.Integer({ minimum: 0 }),
  count: Type.Integer({ minimum: 0, description: 'Postings.' }),
  closing: Type.Integer({ description: 'opening + credits − debits.' }),
  version: Type.Integer({
    minimum: 0,
    description:
      'Rises with every change of any figure; 0 for a day without movement, which carries the balance.',
  }),
  sealed: Type.Boolean({ description: 'The day is over, and all its postings are in and hashed.' }),
};

const DailyBalance = Type.Object({
  ...figures,
  as_of: Type.Union([Instant, Type.Null()], {
    description:
      'When the version was made; before the first posting when the account was opened. Null without an account, and where nobody was told when it was opened.',
  }),
});

const lag = Type.Integer({
  minimum: 0,
  description:
    'Events of the logs that were still to be counted, of all accounts. Also the header Lag-Events.',
});

export const DailyBalances = Type.Object({
  account_id: Type.String(),
  currency: Type.String(),
  time_zone: Type.String({ description: 'By which its days are cut.' }),
  lag_events: lag,
  data: Type.Array(DailyBalance),
});

export const SummedBalances = Type.Object({
  account_ids: Type.Array(Type.String()),
  currency: Type.Union([Type.String(), Type.Null()], { description: 'Null without an account.' }),
  lag_events: lag,
  data: Type.Array(DailyBalance),
});

/** What a report may be answered with: as JSON or as CSV, or that it is known already. */
export const reportResponses = (json: TSchema) => ({
  200: {
    description: 'Or as CSV: the members of `data` as columns, under a header row.',
    content: { 'application/json': { schema: json }, 'text/csv': { schema: Type.String() } },
  },
  304: Type.Null({ description: 'It is the one that If-None-Match names.' }),
  '4xx': ProblemDocument,
  503: ProblemDocument,
});

export const REPORT_HEADERS = {
  read: { 'If-None-Match': { type: 'string', description: 'The ETag of a report that is known already.' } },
  sent: {
    ETag: { type: 'string', description: 'Another one as soon as any figure is.' },
    'Lag-Events': { type: 'integer', description: 'As `lag_events`.' },
  },
} as const;

export const DayVersions = pageOf(
  Type.Object({
    ...figures,
    as_of: Instant,
    sealed_at: nullable(Instant),
    hash: Type.String({ description: 'SHA-256 over the day’s postings in their order, hexadecimal.' }),
    cause: Type.String({ description: 'The event that made the version: topic/partition/position.' }),
  }),
);
