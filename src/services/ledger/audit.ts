/**
 * What the ledger's tables hold, for who proves them against the logs: each function reads one bounded range, in the
 * caller's statement or snapshot, and returns what is wrong with it or what the caller must compare itself. It repeats
 * none of the decisions that wrote the rows. Entries, postings and holds are here; accounts and balances in
 * audit-accounts.ts, the walk along the postings in walk-postings.ts.
 */
import {
  type Comparison,
  compareLookups,
  compareRanges,
  type Differences,
  type ExpectedRow,
  type RangeComparison,
} from '#platform/postgres/differences.ts';
import type { Range, RangedRows } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

const ENTRIES: Comparison = {
  key: { id: 'uuid' },
  columns: {
    tenant: 'text',
    cause: 'uuid',
    purpose: 'text',
    posted_at: 'instant',
    description: 'text',
    reference: 'text',
    effective_on: 'date',
  },
  actual: `select e.tenant, e.cause, e.purpose, e.posted_at, e.description, e.reference, e.effective_on
           from ledger.entries e where e.id = expected.id`,
};

/** Entries that are missing or other than expected; by primary key. */
export function differingEntries(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, ENTRIES, expected);
}

const POSTINGS: Comparison = {
  key: { account_key: 'bigint', posted_at: 'instant', sequence: 'bigint' },
  columns: { entry_id: 'uuid', amount: 'bigint', posted_after: 'bigint' },
  actual: `select p.entry_id, p.amount, p.posted_after from ledger.postings p
           where p.account_key = expected.account_key and p.posted_at = expected.posted_at
             and p.sequence = expected.sequence`,
};

/** Postings that are missing or other than expected; by primary key. */
export function differingPostings(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, POSTINGS, expected);
}

const HOLD_COLUMNS = {
  tenant: 'text',
  account_id: 'text',
  amount: 'bigint',
  state: 'text',
  opened_at: 'instant',
  closed_at: 'instant',
} as const;

/** Of payments and refunds; by primary key. */
export const AUDITED_HOLDS: RangedRows = {
  select: `select h.id, a.tenant, a.id as account_id, h.amount, h.state, h.opened_at, h.closed_at
           from ledger.holds h left join ledger.accounts a on a.key = h.account_key`,
  by: 'h.id',
  kind: 'uuid',
  only: 'h.owner is null',
};

const HOLDS: RangeComparison = { key: { id: 'uuid' }, columns: HOLD_COLUMNS, rows: AUDITED_HOLDS };

/** Holds of payments and refunds, of the ranges, that are missing, extra or different. */
export function differingHolds(
  reader: Reader,
  ranges: readonly Range[],
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareRanges(reader, HOLDS, { ranges, expected });
}

const AWAITED: Comparison = {
  key: { id: 'uuid', tenant: 'text', payee: 'text' },
  columns: { kept: 'text' },
  actual: `select 'open' as kept from ledger.accounts p
           where p.tenant = expected.tenant and p.id = expected.payee
             and exists (select from ledger.awaited a where a.payee_key = p.key and a.hold_id = expected.id)`,
};

/** Open holds of which nothing keeps the account open that they are to be paid to; by primary keys. */
export function differingAwaited(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(
    reader,
    AWAITED,
    expected.map((row) => ({ ...row, kept: 'open' })),
  );
}

const OWNED_HOLDS: Comparison = {
  key: { id: 'uuid' },
  columns: HOLD_COLUMNS,
  actual: `select a.tenant, a.id as account_id, h.amount, h.state, h.opened_at, h.closed_at
           from ledger.holds h left join ledger.accounts a on a.key = h.account_key
           where h.id = expected.id and h.owner = 'card'`,
};

/** Holds of cards that are missing or other than expected; by primary key. */
export function differingCardHolds(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, OWNED_HOLDS, expected);
}

/** Rows that a walk has passed, of which those of one service are handed out. */
export interface WalkedRows {
  /** Of the last one passed; undefined at the end. */
  readonly last: string | undefined;
  readonly rows: readonly { readonly uuid: string; readonly cause: string }[];
}

/** The next holds by primary key, those of cards; a hold's cause is its own id. */
export function listCardHolds(reader: Reader, after: string | null, limit: number): Promise<WalkedRows> {
  return walkRows(reader, [after, limit], {
    from: 'ledger.holds',
    cause: 'id',
    isWanted: "owner = 'card'",
  });
}

/** The next entries by primary key, those of cards. */
export function listCardEntries(reader: Reader, after: string | null, limit: number): Promise<WalkedRows> {
  return walkRows(reader, [after, limit], {
    from: 'ledger.entries',
    cause: 'cause',
    isWanted: "purpose in ('top_up', 'card', 'card_reversal')",
  });
}

/** The next entries by primary key, those that take a payment back. */
export function listReversals(reader: Reader, after: string | null, limit: number): Promise<WalkedRows> {
  return walkRows(reader, [after, limit], {
    from: 'ledger.entries',
    cause: 'cause',
    isWanted: "purpose = 'reversal'",
  });
}

/** The next entries by primary key, those of cash entries; their causes as `tenant/uuid`. */
export function listCashJournalEntries(
  reader: Reader,
  after: string | null,
  limit: number,
): Promise<WalkedRows> {
  return walkRows(reader, [after, limit], {
    from: 'ledger.entries',
    cause: "tenant || '/' || cause::text",
    isWanted: "purpose = 'cash_entry'",
  });
}

/** Bounded by what is passed, not by what is found: among millions of payments there may be no card. */
async function walkRows(
  reader: Reader,
  values: readonly unknown[],
  { from, cause, isWanted }: { readonly from: string; readonly cause: string; readonly isWanted: string },
): Promise<WalkedRows> {
  const rows = await reader.query<{ uuid: string; cause: string; last: string; wanted: boolean }>(
    `with page as materialized (
       select id, ${cause} as cause, ${isWanted} is true as wanted from ${from}
       where $1::uuid is null or id > $1 order by id limit $2
     ), edge as (select id from page order by id desc limit 1)
     select page.id as uuid, page.cause, page.wanted, edge.id as last
     from page cross join edge where page.wanted or page.id = edge.id`,
    values,
  );
  return {
    last: rows[0]?.last,
    rows: rows.filter((row) => row.wanted).map((row) => ({ uuid: row.uuid, cause: row.cause })),
  };
}

/** Of the purposes whose entries bear the uuid of their cause: a reversal's stands anywhere. By primary key. */
export const AUDITED_ENTRY_IDS: RangedRows = {
  select: 'select e.id, e.purpose from ledger.entries e',
  by: 'e.id',
  kind: 'uuid',
  only: "e.purpose in ('manual', 'payment', 'refund')",
};

const ENTRY_IDS: RangeComparison = {
  key: { id: 'uuid' },
  columns: { purpose: 'text' },
  rows: AUDITED_ENTRY_IDS,
};

/** Such entries of the ranges that are missing, extra or different. */
export function differingEntryIds(
  reader: Reader,
  ranges: readonly Range[],
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareRanges(reader, ENTRY_IDS, { ranges, expected });
}
