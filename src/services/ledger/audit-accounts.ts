/** What the tables hold of accounts and balances, for who proves them against the logs (audit.ts). */
import type { EpochMs } from '#kernel/clock.ts';
import { textArray } from '#platform/postgres/arrays.ts';
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
