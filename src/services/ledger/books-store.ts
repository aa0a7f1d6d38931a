/**
 * The statements about money: balances, holds, entries, postings. Each says what it locks and which index it relies on (how:
 * docs/adr/0003).
 */
import type { EpochMs } from '#kernel/clock.ts';
import { int8Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Statement, statement, type Transaction } from '#platform/postgres/session.ts';
import type { Account, Balance, Entry, Hold, HoldState } from './books.ts';

/**
 * Locks balances in the order of the array, which is R3's: with a floor ascending, then without. The rows it
 * returns are the locked versions (their own columns only: R2). By primary key.
 */
export const LOCK_BALANCES = statement(
  'ledger.lock_balances',
  `select b.account_key, b.status, b.posted, b.held, b.sequence, b.last_posted_at
   from ${batchRows('wanted', { key: 'bigint' })}
   cross join lateral (select * from ledger.balances b where b.account_key = wanted.key for no key update) b`,
);

/**
 * As `lock_balances`, but a balance that somebody else has locked is left out: who cannot wait takes what is free (cards).
 * In the same order (R3). By primary key.
 */
export const LOCK_FREE_BALANCES = statement(
  'ledger.lock_free_balances',
  `select b.account_key, b.status, b.posted, b.held, b.sequence, b.last_posted_at
   from ${batchRows('wanted', { key: 'bigint' })}
   cross join lateral (
     select * from ledger.balances b where b.account_key = wanted.key for no key update skip locked
   ) b`,
);

/** How long this transaction waits for a lock, from here on. Reads no table. */
const WAIT_FOR_LOCKS = statement(
  'ledger.wait_for_locks',
  `select set_config('lock_timeout', $1::text, true)`,
);

/** As long as the session does. */
const WAIT_FOR_LOCKS_AS_EVER = statement(
  'ledger.wait_for_locks_as_ever',
  'set local lock_timeout to default',
);

/** After the lock of their accounts, which arbitrates their end (R5). By primary key. */
export const LOAD_HOLDS = statement(
  'ledger.load_holds',
  `select h.id, h.account_key, h.amount, h.state
   from ${batchRows('wanted', { id: 'uuid' })}
   cross join lateral (select * from ledger.holds h where h.id = wanted.id offset 0) h`,
);

/** Which of the entries exist. By primary key. */
export const FIND_ENTRIES = statement(
  'ledger.find_entries',
  `select e.id from ${batchRows('wanted', { id: 'uuid' })}
   cross join lateral (select e.id from ledger.entries e where e.id = wanted.id offset 0) e`,
);

/** Locked before in this transaction, so that the row found is the row updated; touches no indexed column (HOT). */
export const UPDATE_BALANCES = statement(
  'ledger.update_balances',
  `update ledger.balances b
   set status = v.status, posted = v.posted, held = v.held, sequence = v.sequence, last_posted_at = v.last_posted_at
   from ${batchRows('v', {
     account_key: 'bigint',
     status: 'text',
     posted: 'bigint',
     held: 'bigint',
     sequence: 'bigint',
     last_posted_at: 'timestamptz',
   })}
   cross join lateral (select t.ctid from ledger.balances t where t.account_key = v.account_key offset 0) as found(at)
   where b.ctid = found.at`,
);

export const INSERT_HOLDS = statement(
  'ledger.insert_holds',
  `insert into ledger.holds (id, account_key, amount, state, opened_at, closed_at)
   select id, account_key, amount, state, $5::timestamptz, case when state = 'open' then null else $5::timestamptz end
   from ${batchRows('v', { id: 'uuid', account_key: 'bigint', amount: 'bigint', state: 'text' })}`,
);

export const INSERT_OWNED_HOLDS = statement(
  'ledger.insert_owned_holds',
  `insert into ledger.holds (id, account_key, amount, state, opened_at, closed_at, owner)
   select id, account_key, amount, state, $5::timestamptz, case when state = 'open' then null else $5::timestamptz end, owner
   from ${batchRows('v', { id: 'uuid', account_key: 'bigint', amount: 'bigint', state: 'text' })}
   cross join (select $6::text as owner) as whose`,
);

/** Under the locks of both accounts. */
export const INSERT_AWAITED = statement(
  'ledger.insert_awaited',
  `insert into ledger.awaited (payee_key, hold_id) select payee_key, hold_id
   from ${batchRows('v', { payee_key: 'bigint', hold_id: 'uuid' })}`,
);

/**
 * A hold that is to be paid to each of the accounts, where one is open. After the lock of the account, without which no such
 * hold is placed (B6, R2). By primary key, and by the holds'.
 */
export const FIND_AWAITED = statement(
  'ledger.find_awaited',
  `select h.id, h.account_key, h.amount, h.state, wanted.payee_key
   from ${batchRows('wanted', { payee_key: 'bigint' })}
   cross join lateral (
     select open_hold.* from ledger.awaited a
     cross join lateral (
       select * from ledger.holds t where t.id = a.hold_id and t.state = 'open' offset 0
     ) open_hold
     where a.payee_key = wanted.payee_key limit 1
   ) h`,
);

/** By primary key, under the lock of the hold's account; touches no indexed column (HOT). */
export const CLOSE_HOLDS = statement(
  'ledger.close_holds',
  `update ledger.holds h set state = v.state, closed_at = $3::timestamptz
   from ${batchRows('v', { id: 'uuid', state: 'text' })}
   cross join lateral (select t.ctid from ledger.holds t where t.id = v.id and t.state = 'open' offset 0) as found(at)
   where h.ctid = found.at`,
);

export const INSERT_ENTRIES = statement(
  'ledger.insert_entries',
  `insert into ledger.entries (id, tenant, cause, purpose, posted_at, description, reference, effective_on)
   select id, tenant, cause, purpose, posted_at, description, reference, effective_on::date
   from ${batchRows('v', {
     id: 'uuid',
     tenant: 'text',
     cause: 'uuid',
     purpose: 'text',
     posted_at: 'timestamptz',
     description: 'text',
     reference: 'text',
     effective_on: 'text',
   })}`,
);

export const INSERT_POSTINGS = statement(
  'ledger.insert_postings',
  `insert into ledger.postings (account_key, posted_at, sequence, entry_id, amount, posted_after)
   select account_key, posted_at, sequence, entry_id, amount, posted_after
   from ${batchRows('v', {
     account_key: 'bigint',
     posted_at: 'timestamptz',
     sequence: 'bigint',
     entry_id: 'uuid',
     amount: 'bigint',
     posted_after: 'bigint',
   })}`,
);

interface BalanceRow {
  account_key: bigint;
  status: 'open' | 'closed';
  posted: bigint;
  held: bigint;
  sequence: bigint;
  last_posted_at: EpochMs;
}

interface HoldRow {
  id: string;
  account_key: bigint;
  amount: bigint;
  state: HoldState;
}

/** Has the session parse and plan the statements by which money moves: each is sent without a row. */
export function prepareToMoveMoney(tx: Transaction): void {
  for (const by of [LOCK_BALANCES, LOCK_FREE_BALANCES]) tx.run(by, [int8Array([])]);
  updateBalances(tx, []);
  insertEntries(tx, []);
}

export function lockBalances(tx: Transaction, accounts: readonly Account[]): Promise<Balance[]> {
  return lockBy(LOCK_BALANCES, tx, accounts);
}

/** What somebody else has locked is left out. */
export function lockFreeBalances(tx: Transaction, accounts: readonly Account[]): Promise<Balance[]> {
  return lockBy(LOCK_FREE_BALANCES, tx, accounts);
}

/** R3: those without a floor last. */
export async function lockFreeThenShared(
  tx: Transaction,
  accounts: readonly Account[],
  waitMs: number,
): Promise<Balance[]> {
  const shared = accounts.filter((account) => !hasFloor(account));
  const free = lockFreeBalances(tx, accounts.filter(hasFloor));
  tx.run(WAIT_FOR_LOCKS, [`${waitMs}ms`]);
  const waited = lockBalances(tx, shared);
  tx.run(WAIT_FOR_LOCKS_AS_EVER, []);
  return (await Promise.all([free, waited])).flat();
}

async function lockBy(lock: Statement, tx: Transaction, accounts: readonly Account[]): Promise<Balance[]> {
  const byKey = new Map(accounts.map((account) => [account.key, account]));
  if (byKey.size === 0) return [];
  const inOrder = [...byKey.values()].sort(byLockOrder);
  const rows = await tx.query<BalanceRow>(lock, [int8Array(inOrder.map((account) => account.key))]);
  return rows.map((row) => ({
    account: byKey.get(row.account_key) as Account,
    status: row.status,
    postedMinor: row.posted,
    heldMinor: row.held,
    sequence: row.sequence,
    lastPostedAt: row.last_posted_at,
  }));
}

export async function loadHolds(tx: Transaction, ids: readonly string[]): Promise<Hold[]> {
  if (ids.length === 0) return [];
  const rows = await tx.query<HoldRow>(LOAD_HOLDS, [uuidArray(ids)]);
  return rows.map(holdOf);
}

export async function findAwaited(tx: Transaction, payees: readonly Account[]): Promise<Hold[]> {
  if (payees.length === 0) return [];
  const rows = await tx.query<HoldRow & { payee_key: bigint }>(FIND_AWAITED, [
    int8Array(payees.map(({ key }) => key)),
  ]);
  return rows.map((row) => ({ ...holdOf(row), payeeKey: row.payee_key }));
}

export async function findEntries(tx: Transaction, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await tx.query<{ id: string }>(FIND_ENTRIES, [uuidArray(ids)]);
  return rows.map((row) => row.id);
}

function holdOf({ id, account_key, amount, state }: HoldRow): Hold {
  return { id, accountKey: account_key, amountMinor: amount, state };
}

function hasFloor({ floorMinor }: Account): boolean {
  return floorMinor !== null;
}

/** R3: accounts with a floor ascending, then those without, which many payments share and which are so held shortest. */
function byLockOrder(a: Account, b: Account): number {
  const floorless = Number(a.floorMinor === null) - Number(b.floorMinor === null);
  if (floorless !== 0) return floorless;
  return a.key < b.key ? -1 : 1;
}

export function updateBalances(tx: Transaction, balances: readonly Balance[]): void {
  tx.run(UPDATE_BALANCES, [
    int8Array(balances.map((balance) => balance.account.key)),
    textArray(balances.map((balance) => balance.status)),
    int8Array(balances.map((balance) => balance.postedMinor)),
    int8Array(balances.map((balance) => balance.heldMinor)),
    int8Array(balances.map((balance) => balance.sequence)),
    timestamptzArray(balances.map((balance) => balance.lastPostedAt)),
  ]);
}

export function insertHolds(tx: Transaction, holds: readonly Hold[], now: EpochMs): void {
  const owned = holds.filter(({ owner }) => owner !== undefined);
  const others = owned.length === 0 ? holds : holds.filter(({ owner }) => owner === undefined);
  if (others.length > 0) tx.run(INSERT_HOLDS, [...holdColumns(others), new Date(now)]);
  if (owned.length > 0) tx.run(INSERT_OWNED_HOLDS, [...holdColumns(owned), new Date(now), 'card']);
  const awaited = holds.filter(({ payeeKey, state }) => payeeKey !== undefined && state === 'open');
  if (awaited.length === 0) return;
  tx.run(INSERT_AWAITED, [
    int8Array(awaited.map(({ payeeKey }) => payeeKey ?? null)),
    uuidArray(awaited.map(({ id }) => id)),
  ]);
}

function holdColumns(holds: readonly Hold[]): Buffer[] {
  return [
    uuidArray(holds.map((hold) => hold.id)),
    int8Array(holds.map((hold) => hold.accountKey)),
    int8Array(holds.map((hold) => hold.amountMinor)),
    textArray(holds.map((hold) => hold.state)),
  ];
}

export function closeHolds(tx: Transaction, holds: readonly Hold[], now: EpochMs): void {
  tx.run(CLOSE_HOLDS, [
    uuidArray(holds.map((hold) => hold.id)),
    textArray(holds.map((hold) => hold.state)),
    new Date(now),
  ]);
}

export function insertEntries(tx: Transaction, entries: readonly Entry[]): void {
  tx.run(INSERT_ENTRIES, [
    uuidArray(entries.map((entry) => entry.id)),
    textArray(entries.map((entry) => entry.tenant)),
    uuidArray(entries.map((entry) => entry.cause)),
    textArray(entries.map((entry) => entry.purpose)),
    timestamptzArray(entries.map((entry) => entry.postedAt)),
    textArray(entries.map((entry) => entry.description ?? null)),
    textArray(entries.map((entry) => entry.reference ?? null)),
    textArray(entries.map((entry) => entry.effectiveOn ?? null)),
  ]);
  const postings = entries.flatMap((entry) =>
    entry.postings.map((posting) => ({ entryId: entry.id, ...posting })),
  );
  tx.run(INSERT_POSTINGS, [
    int8Array(postings.map((posting) => posting.account.key)),
    timestamptzArray(postings.map((posting) => posting.postedAt)),
    int8Array(postings.map((posting) => posting.sequence)),
    uuidArray(postings.map((posting) => posting.entryId)),
    int8Array(postings.map((posting) => posting.amountMinor)),
    int8Array(postings.map((posting) => posting.postedAfterMinor)),
  ]);
}
