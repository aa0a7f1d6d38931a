/**
 * What the ledger's tables hold, for who proves them against the logs: each function reads one bounded range, in the
 * caller's statement or snapshot, and returns what is wrong with it or what the caller must compare itself. It repeats
 * none of the decisions that wrote the rows.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { textArray } from '#platform/postgres/arrays.ts';
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

/** An account as its tables have it. */
export interface AuditedAccount {
  readonly key: bigint;
  /** Null: a balance without an account. */
  readonly account: AuditedAccountRow | null;
  /** Null: an account without a balance. */
  readonly balance: AuditedBalance | null;
  /** Of the posting that comes last in the account's order; null before the first. */
  readonly lastPosting: {
    readonly sequence: bigint;
    readonly postedAfterMinor: bigint;
    readonly postedAt: EpochMs;
  } | null;
}

export interface AuditedAccountRow {
  readonly tenant: string;
  readonly id: string;
  readonly kind: string;
  readonly currency: string;
  readonly floorMinor: bigint | null;
  readonly name: string | null;
  readonly timeZone: string;
  /** JSON. */
  readonly metadata: string | null;
  readonly openedAt: EpochMs;
}

export interface AuditedBalance {
  readonly status: string;
  readonly postedMinor: bigint;
  readonly heldMinor: bigint;
  readonly sequence: bigint;
  readonly lastPostedAt: EpochMs;
}

interface AccountRow {
  key: bigint;
  tenant: string | null;
  id: string;
  kind: string;
  currency: string;
  floor: bigint | null;
  name: string | null;
  time_zone: string;
  metadata: string | null;
  opened_at: EpochMs;
  status: string | null;
  posted: bigint;
  held: bigint;
  sequence: bigint;
  last_posted_at: EpochMs;
  posting_sequence: bigint | null;
  posting_after: bigint;
  posting_at: EpochMs;
}

/** Accounts and balances by key, whichever of the two exists; the last posting by the postings' primary key, backwards. */
const LIST_ACCOUNTS = `
  with page as (
    select key from (select key from ledger.accounts where key > $1 order by key limit $2) as known
    union
    select account_key from (
      select account_key from ledger.balances where account_key > $1 order by account_key limit $2
    ) as balanced
    order by key limit $2
  )
  select page.key, a.tenant, a.id, a.kind, a.currency, a.floor, a.name, a.time_zone, a.metadata, a.opened_at,
         b.status, b.posted, b.held, b.sequence, b.last_posted_at,
         p.sequence as posting_sequence, p.posted_after as posting_after, p.posted_at as posting_at
  from page
  left join ledger.accounts a on a.key = page.key
  left join ledger.balances b on b.account_key = page.key
  left join lateral (
    select p.sequence, p.posted_after, p.posted_at from ledger.postings p
    where p.account_key = page.key order by p.posted_at desc, p.sequence desc limit 1
  ) p on true
  order by page.key`;

/** Ascending by key, after `after`. */
export async function listAuditedAccounts(
  reader: Reader,
  after: bigint,
  limit: number,
): Promise<AuditedAccount[]> {
  return (await reader.query<AccountRow>(LIST_ACCOUNTS, [after, limit])).map(auditedAccount);
}

function auditedAccount(row: AccountRow): AuditedAccount {
  return {
    key: row.key,
    account: row.tenant === null ? null : accountOf(row, row.tenant),
    balance: row.status === null ? null : balanceOf(row, row.status),
    lastPosting:
      row.posting_sequence === null
        ? null
        : { sequence: row.posting_sequence, postedAfterMinor: row.posting_after, postedAt: row.posting_at },
  };
}

function accountOf(row: AccountRow, tenant: string): AuditedAccountRow {
  const { id, kind, currency, floor, name, time_zone, metadata, opened_at } = row;
  return {
    tenant,
    id,
    kind,
    currency,
    floorMinor: floor,
    name,
    timeZone: time_zone,
    metadata,
    openedAt: opened_at,
  };
}

function balanceOf({ posted, held, sequence, last_posted_at }: AccountRow, status: string): AuditedBalance {
  return { status, postedMinor: posted, heldMinor: held, sequence, lastPostedAt: last_posted_at };
}

const FIND_KEYS = `
  select a.tenant, a.id, a.key
  from unnest($1::text[], $2::text[]) as wanted(tenant, id)
  cross join lateral (
    select * from ledger.accounts a where a.tenant = wanted.tenant and a.id = wanted.id offset 0
  ) a`;

/** The keys of accounts, in no order; unknown accounts are absent. */
export function findAccountKeys(
  reader: Reader,
  accounts: readonly { readonly tenant: string; readonly id: string }[],
): Promise<{ tenant: string; id: string; key: bigint }[]> {
  return reader.query(FIND_KEYS, [
    textArray(accounts.map(({ tenant }) => tenant)),
    textArray(accounts.map(({ id }) => id)),
  ]);
}

/** Where a walk over the postings stands: the last one seen, in the order of the primary key. */
export interface PostingCursor {
  readonly accountKey: bigint;
  /** As PostgreSQL prints it: to the microsecond, so that no walk can stand still. */
  readonly postedAt: string;
  readonly sequence: bigint;
  readonly postedAfterMinor: bigint;
}

export interface PostingBreach {
  /** `tenant/id`, or the key of an account that is not there. */
  readonly account: string;
  readonly sequence: bigint;
  readonly entryUuid: string;
  readonly kind: 'sequence_gap' | 'wrong_running_sum' | 'posting_without_balance';
  readonly detail: string;
}

export interface PostingsWalked {
  readonly count: number;
  /** Undefined when there are no more. */
  readonly next: PostingCursor | undefined;
  /** At most 100. */
  readonly breaches: readonly PostingBreach[];
  readonly breachesTotal: number;
}

/**
 * The next postings of accounts up to `$5`, in the order of the primary key, each compared with the one before it in its
 * account: sequence one higher, posted_after its amount more. As the order is by posted_at first, a posting that goes
 * back in time breaks the sequence. The cursor stands in for the posting before the first.
 */
const WALK_POSTINGS = `
  with page as materialized (
    select account_key, posted_at, sequence, amount, posted_after, entry_id
    from ledger.postings
    where (account_key, posted_at, sequence) > ($1::bigint, $2::timestamptz, $3::bigint) and account_key <= $5::bigint
    order by account_key, posted_at, sequence
    limit $6
  ), followed as (
    select *, lag(sequence) over account as before_sequence, lag(posted_after) over account as before_after
    from (
      select * from page
      union all select $1::bigint, $2::timestamptz, $3::bigint, null, $4::bigint, null
    ) as all_rows
    window account as (partition by account_key order by posted_at, sequence)
  ), breach as (
    select f.account_key, f.sequence, f.entry_id,
           case when f.sequence <> coalesce(f.before_sequence, 0) + 1 then 'sequence_gap'
                when f.posted_after <> coalesce(f.before_after, 0) + f.amount then 'wrong_running_sum'
                else 'posting_without_balance' end as kind,
           case when f.sequence <> coalesce(f.before_sequence, 0) + 1
                then format('sequence %s follows %s', f.sequence, coalesce(f.before_sequence, 0))
                when f.posted_after <> coalesce(f.before_after, 0) + f.amount
                then format('posted_after is %s, after %s and an amount of %s', f.posted_after,
                            coalesce(f.before_after, 0), f.amount)
                else format('no balance has key %s', f.account_key) end as detail
    from followed f
    where f.amount is not null
      and (f.sequence <> coalesce(f.before_sequence, 0) + 1
           or f.posted_after <> coalesce(f.before_after, 0) + f.amount
           or (f.before_sequence is null
               and not exists (select from ledger.balances b where b.account_key = f.account_key)))
  )
  select (select count(*) from page)::integer as count,
         last.account_key, last.posted_at::text as posted_at, last.sequence, last.posted_after,
         (select count(*) from breach)::integer as breaches_total,
         (select jsonb_agg(jsonb_build_object('account', coalesce(a.tenant || '/' || a.id, l.account_key::text),
                                              'sequence', l.sequence::text, 'entry_id', l.entry_id, 'kind', l.kind,
                                              'detail', l.detail))
          from (select * from breach limit 100) as l left join ledger.accounts a on a.key = l.account_key) as breaches
  from (select true) as one
  left join lateral (
    select * from page order by account_key desc, posted_at desc, sequence desc limit 1
  ) last on true`;

interface WalkedRow {
  count: number;
  account_key: bigint | null;
  posted_at: string;
  sequence: bigint;
  posted_after: bigint;
  breaches_total: number;
  breaches:
    | readonly {
        account: string;
        sequence: string;
        entry_id: string;
        kind: PostingBreach['kind'];
        detail: string;
      }[]
    | null;
}

/** Where the walk over the accounts after `accountKey` begins. */
export function postingsAfter(accountKey: bigint): PostingCursor {
  return { accountKey, postedAt: 'infinity', sequence: 0n, postedAfterMinor: 0n };
}

/** The next postings of accounts up to and including `lastKey`. */
export async function walkPostings(
  reader: Reader,
  cursor: PostingCursor,
  { lastKey, limit }: { readonly lastKey: bigint; readonly limit: number },
): Promise<PostingsWalked> {
  const { accountKey, postedAt, sequence, postedAfterMinor } = cursor;
  const [row] = await reader.query<WalkedRow>(WALK_POSTINGS, [
    accountKey,
    postedAt,
    sequence,
    postedAfterMinor,
    lastKey,
    limit,
  ]);
  if (row === undefined || row.account_key === null) {
    return { count: 0, next: undefined, breaches: [], breachesTotal: 0 };
  }
  return {
    count: row.count,
    next: {
      accountKey: row.account_key,
      postedAt: row.posted_at,
      sequence: row.sequence,
      postedAfterMinor: row.posted_after,
    },
    breaches: (row.breaches ?? []).map((breach) => ({
      account: breach.account,
      sequence: BigInt(breach.sequence),
      entryUuid: breach.entry_id,
      kind: breach.kind,
      detail: breach.detail,
    })),
    breachesTotal: row.breaches_total,
  };
}

/** The least and the greatest account key, and how many postings the balances count; undefined without accounts. */
export async function measureBalances(
  reader: Reader,
): Promise<{ firstKey: bigint; lastKey: bigint; postings: number; accounts: number } | undefined> {
  const [row] = await reader.query<{
    first: bigint | null;
    last: bigint;
    postings: number;
    accounts: number;
  }>(
    `select least((select min(key) from ledger.accounts), min(account_key)) as first,
            greatest((select max(key) from ledger.accounts), max(account_key)) as last,
            coalesce(sum(sequence), 0)::float8 as postings, count(*)::float8 as accounts
     from ledger.balances`,
    [],
  );
  if (row === undefined || row.first === null) return undefined;
  return { firstKey: row.first, lastKey: row.last, postings: row.postings, accounts: row.accounts };
}

/** Σ of all balances by currency, in one statement; zero in each if the books balance (U14). */
export function sumBalances(reader: Reader): Promise<{ currency: string; posted: string }[]> {
  return reader.query(
    `select a.currency, sum(b.posted)::text as posted
     from ledger.balances b join ledger.accounts a on a.key = b.account_key
     group by a.currency`,
    [],
  );
}

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
