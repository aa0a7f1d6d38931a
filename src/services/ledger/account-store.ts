/** The statements about accounts: what is known of them, and how they begin. Each says which index it relies on (how: docs/adr/0003). */
import type { EpochMs } from '#kernel/clock.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { int8Array, textArray, timestamptzArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import type { AccountProfile, NewAccount } from './account.ts';
import { type Account, type AccountKind, accountRef } from './books.ts';
import type { AccountRef } from './contract.ts';

/** By the unique index on (tenant, id). */
export const FIND_ACCOUNTS = statement(
  'ledger.find_accounts',
  `select a.key, a.tenant, a.id, a.kind, a.currency, a.floor
   from ${batchRows('wanted', { tenant: 'text', id: 'text' })}
   cross join lateral (
     select * from ledger.accounts a where a.tenant = wanted.tenant and a.id = wanted.id offset 0
   ) a`,
);

/** No lock. By primary key. */
export const GLANCE_STATUS = statement(
  'ledger.glance_status',
  `select b.account_key, b.status
   from ${batchRows('wanted', { key: 'bigint' })}
   cross join lateral (select * from ledger.balances b where b.account_key = wanted.key offset 0) b`,
);

/** What decisions about money leave aside. By the unique index on (tenant, id). */
export const FIND_PROFILES = statement(
  'ledger.find_profiles',
  `select a.tenant, a.id, a.name, a.time_zone, a.metadata, a.opened_at
   from ${batchRows('wanted', { tenant: 'text', id: 'text' })}
   cross join lateral (
     select * from ledger.accounts a where a.tenant = wanted.tenant and a.id = wanted.id offset 0
   ) a`,
);

export const RESERVE_KEYS = statement(
  'ledger.reserve_keys',
  `select nextval('ledger.account_keys') as key from generate_series(1, $1::integer)`,
);

/** R3: the caller sorts by (tenant, id). An id that another process took meanwhile raises a unique violation; the batch is then decided anew. */
export const INSERT_ACCOUNTS = statement(
  'ledger.insert_accounts',
  `insert into ledger.accounts (key, tenant, id, kind, currency, floor, name, time_zone, metadata, opened_at)
   select key, tenant, id, kind, currency, floor, name, time_zone, metadata, opened_at
   from ${batchRows('v', {
     key: 'bigint',
     tenant: 'text',
     id: 'text',
     kind: 'text',
     currency: 'text',
     floor: 'bigint',
     name: 'text',
     time_zone: 'text',
     metadata: 'text',
     opened_at: 'timestamptz',
   })}`,
);

/** As they begin; what the same batch posts to them follows as an update. */
export const INSERT_BALANCES = statement(
  'ledger.insert_balances',
  `insert into ledger.balances (account_key, status, posted, held, sequence, last_posted_at)
   select account_key, 'open', 0, 0, 0, opened_at
   from ${batchRows('v', { account_key: 'bigint', opened_at: 'timestamptz' })}`,
);

interface AccountRow {
  key: bigint;
  tenant: string;
  id: string;
  kind: AccountKind;
  currency: string;
  floor: bigint | null;
}

export interface ProfileRow {
  name: string | null;
  time_zone: string;
  metadata: string | null;
  opened_at: EpochMs;
}

export function profileOf(row: ProfileRow): AccountProfile {
  const metadata = row.metadata === null ? null : (JSON.parse(row.metadata) as JsonObject);
  return { name: row.name, timeZone: row.time_zone, metadata, openedAt: row.opened_at };
}

/** By key; no lock, so true when read, not more. */
export async function glanceStatuses(
  tx: Transaction,
  accounts: Iterable<Account>,
): Promise<ReadonlyMap<bigint, 'open' | 'closed'>> {
  const rows = await tx.query<{ account_key: bigint; status: 'open' | 'closed' }>(GLANCE_STATUS, [
    int8Array(Array.from(accounts, (account) => account.key)),
  ]);
  return new Map(rows.map((row) => [row.account_key, row.status]));
}

/** Unknown accounts are absent. */
export async function findAccounts(tx: Transaction, refs: readonly AccountRef[]): Promise<Account[]> {
  const rows = await tx.query<AccountRow>(FIND_ACCOUNTS, [
    textArray(refs.map((ref) => ref.tenant)),
    textArray(refs.map((ref) => ref.id)),
  ]);
  return rows.map(({ floor, ...row }) => ({ ...row, floorMinor: floor }));
}

/** By ref; unknown accounts are absent. */
export async function findProfiles(
  tx: Transaction,
  refs: readonly AccountRef[],
): Promise<Map<string, AccountProfile>> {
  if (refs.length === 0) return new Map();
  const rows = await tx.query<ProfileRow & AccountRef>(FIND_PROFILES, [
    textArray(refs.map((ref) => ref.tenant)),
    textArray(refs.map((ref) => ref.id)),
  ]);
  return new Map(rows.map((row) => [accountRef(row), profileOf(row)]));
}

/** Keys that no account has or will have: what is not used is lost. */
export async function reserveKeys(tx: Transaction, count: number): Promise<bigint[]> {
  if (count === 0) return [];
  const rows = await tx.query<{ key: bigint }>(RESERVE_KEYS, [count]);
  return rows.map((row) => row.key);
}

/** Sends the rows of new accounts. They are remembered when somebody finds them committed, not before. */
export function insertAccounts(tx: Transaction, created: readonly NewAccount[]): void {
  if (created.length === 0) return;
  const sorted = created.toSorted((a, b) => (accountRef(a.account) < accountRef(b.account) ? -1 : 1)); // R3
  const keys = int8Array(sorted.map(({ account }) => account.key));
  const openedAts = timestamptzArray(sorted.map(({ profile }) => profile.openedAt));
  tx.run(INSERT_ACCOUNTS, [
    keys,
    textArray(sorted.map(({ account }) => account.tenant)),
    textArray(sorted.map(({ account }) => account.id)),
    textArray(sorted.map(({ account }) => account.kind)),
    textArray(sorted.map(({ account }) => account.currency)),
    int8Array(sorted.map(({ account }) => account.floorMinor)),
    textArray(sorted.map(({ profile }) => profile.name)),
    textArray(sorted.map(({ profile }) => profile.timeZone)),
    textArray(
      sorted.map(({ profile: { metadata } }) => (metadata === null ? null : JSON.stringify(metadata))),
    ),
    openedAts,
  ]);
  tx.run(INSERT_BALANCES, [keys, openedAts]);
}
