/**
 * What an owner of the database changed behind the books' back, made what the logs say again. Only for who has read them:
 * the ledger itself never needs it. The caller's transaction; entries and postings are never touched.
 *
 * LC1: the account's balance is locked before anything is read that the correction depends on (R2), so that whatever
 *      moves money meanwhile comes before or after it as a whole.
 * LC2: what moves money changes a balance and its holds by the same amount, so the difference between the two is the same
 *      before the lock and behind it: it is measured before, at one instant, where nobody waits for it.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { ModelTransaction } from '#platform/log/read-model.ts';
import type { ExpectedRow } from '#platform/postgres/differences.ts';

/** By the unique index on (tenant, id), and by primary key. LC1 */
const LOCK_BALANCE = `
  select b.account_key, b.posted, b.held, b.sequence, b.last_posted_at, a.opened_at
  from ledger.accounts a join ledger.balances b on b.account_key = a.key
  where a.tenant = $1 and a.id = $2 for no key update of b`;

/** By the postings' primary key, backwards; the entry by its own. */
const LAST_POSTING = `
  select p.posted_at, p.sequence, p.amount, p.posted_after, e.cause
  from ledger.postings p left join ledger.entries e on e.id = p.entry_id
  where p.account_key = $1 order by p.posted_at desc, p.sequence desc limit 1`;

/**
 * LC2. Reads every hold, as none is found by its account: a second for some millions of them. One statement, so one instant.
 */
const OPEN_HOLDS = `
  select b.held, h.id
  from ledger.accounts a join ledger.balances b on b.account_key = a.key
  left join lateral (
    select h.id from ledger.holds h where h.account_key = b.account_key and h.state = 'open' limit $3
  ) h on true
  where a.tenant = $1 and a.id = $2`;

/** Locked before. By primary key. */
const CORRECT_BALANCE = `
  update ledger.balances set posted = $2::bigint, held = $3::bigint, sequence = $4::bigint, last_posted_at = $5::timestamptz
  where account_key = $1 and (posted, held, sequence, last_posted_at) is distinct from ($2, $3, $4, $5)
  returning 1 as written`;

/** Under the lock of the hold's account, which arbitrates it (R5). By primary key. */
const RESTORE_HOLD = `
  insert into ledger.holds as h (id, account_key, amount, state, opened_at, closed_at)
  select $1::uuid, a.key, $4::bigint, $5, to_timestamp($6::float8 / 1000), to_timestamp($7::float8 / 1000)
  from ledger.accounts a where a.tenant = $2 and a.id = $3
  on conflict (id) do update set account_key = excluded.account_key, amount = excluded.amount, state = excluded.state,
    opened_at = excluded.opened_at, closed_at = excluded.closed_at
  returning 1 as written`;

export interface LockedBalance {
  readonly postedMinor: bigint;
  readonly heldMinor: bigint;
  readonly sequence: bigint;
  readonly lastPostedAt: EpochMs;
  /** Of the account. */
  readonly openedAt: EpochMs;
  /** The last posting there is; undefined before the first. */
  readonly lastPosting:
    | {
        readonly sequence: bigint;
        readonly amountMinor: bigint;
        readonly postedAfterMinor: bigint;
        readonly postedAt: EpochMs;
        /** Undefined: a posting of no entry. */
        readonly causeUuid: string | undefined;
      }
    | undefined;
}

interface NamedAccount {
  readonly tenant: string;
  readonly id: string;
}

interface BalanceRow {
  account_key: bigint;
  posted: bigint;
  held: bigint;
  sequence: bigint;
  last_posted_at: EpochMs;
  opened_at: EpochMs;
}

interface PostingRow {
  posted_at: EpochMs;
  sequence: bigint;
  amount: bigint;
  posted_after: bigint;
  cause: string | null;
}

/** What is held, and the uuids of the open holds there are, so many at most; undefined without an account. LC2: before the lock. */
export async function listOpenHolds(
  tx: ModelTransaction,
  { tenant, id }: NamedAccount,
  limit: number,
): Promise<{ readonly heldMinor: bigint; readonly holds: readonly string[] } | undefined> {
  const rows = await tx.query<{ held: bigint; id: string | null }>(OPEN_HOLDS, [tenant, id, limit]);
  const [first] = rows;
  return first && { heldMinor: first.held, holds: rows.flatMap((row) => row.id ?? []) };
}

/** Undefined without an account, or without a balance. */
export async function lockBalance(
  tx: ModelTransaction,
  { tenant, id }: NamedAccount,
): Promise<LockedBalance | undefined> {
  const [balance] = await tx.query<BalanceRow>(LOCK_BALANCE, [tenant, id]);
  if (balance === undefined) return undefined;
  const [posting] = await tx.query<PostingRow>(LAST_POSTING, [balance.account_key]);
  return {
    postedMinor: balance.posted,
    heldMinor: balance.held,
    sequence: balance.sequence,
    lastPostedAt: balance.last_posted_at,
    openedAt: balance.opened_at,
    lastPosting: posting && {
      sequence: posting.sequence,
      amountMinor: posting.amount,
      postedAfterMinor: posting.posted_after,
      postedAt: posting.posted_at,
      causeUuid: posting.cause ?? undefined,
    },
  };
}

/** The balance made what its last posting says, and `heldExcessMinor` less held; whether that changed it. It is locked. */
export async function correctBalance(
  tx: ModelTransaction,
  { tenant, id }: NamedAccount,
  heldExcessMinor: bigint,
): Promise<boolean> {
  const [balance] = await tx.query<BalanceRow>(LOCK_BALANCE, [tenant, id]);
  if (balance === undefined) return false;
  const [posting] = await tx.query<PostingRow>(LAST_POSTING, [balance.account_key]);
  const rests = posting ?? { posted_at: balance.opened_at, sequence: 0n, posted_after: 0n };
  const written = await tx.query(CORRECT_BALANCE, [
    balance.account_key,
    rests.posted_after,
    balance.held - heldExcessMinor,
    rests.sequence,
    new Date(rests.posted_at),
  ]);
  return written.length > 0;
}

/** `hold`: as the audit expects it (`differingHolds`). Its account's balance is locked, and stays as it is. */
export async function restoreHold(tx: ModelTransaction, hold: ExpectedRow): Promise<boolean> {
  const { id, tenant, account_id, amount, state, opened_at, closed_at } = hold;
  const values = [id, tenant, account_id, amount, state, opened_at, closed_at];
  return (await tx.query(RESTORE_HOLD, values)).length > 0;
}
