/** What the ledger offers within a transaction: its statements about accounts and about money, put together. */
import type { EpochMs } from '#kernel/clock.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { AccountProfile, NewAccount } from './account.ts';
import { AccountDirectory } from './account-directory.ts';
import { findAccounts, findProfiles, glanceStatuses, insertAccounts, reserveKeys } from './account-store.ts';
import { type Account, accountRef, Books } from './books.ts';
import {
  closeHolds,
  findAwaited,
  findEntries,
  insertEntries,
  insertHolds,
  loadHolds,
  lockBalances,
  lockFreeBalances,
  lockFreeThenShared,
  prepareToMoveMoney,
  updateBalances,
} from './books-store.ts';
import type { AccountGlance, AccountRef, Ledger, WantedBooks } from './contract.ts';

export class LedgerStore implements Ledger {
  readonly #directory = new AccountDirectory();

  async glance(tx: Transaction, refs: readonly AccountRef[]): Promise<ReadonlyMap<string, AccountGlance>> {
    const accounts = await this.resolve(tx, refs);
    const statuses = await glanceStatuses(tx, accounts.values());
    const glances = new Map<string, AccountGlance>();
    for (const [ref, { currency, key }] of accounts) {
      const status = statuses.get(key);
      if (status !== undefined) glances.set(ref, { currency, status });
    }
    return glances;
  }

  async openBooks(tx: Transaction, wanted: WantedBooks): Promise<Books> {
    const accounts = await this.resolve(tx, wanted.accounts);
    const closing = (wanted.closing ?? []).flatMap((account) => accounts.get(accountRef(account)) ?? []);
    const [balances, holds, awaited, entryIds] = await Promise.all([
      lockBalances(tx, [...accounts.values()]),
      loadHolds(tx, wanted.holds ?? []),
      findAwaited(tx, closing),
      findEntries(tx, wanted.entries ?? []),
    ]);
    return new Books({ balances, holds: [...holds, ...awaited], entryIds });
  }

  async openFreeBooks(
    tx: Transaction,
    accounts: readonly Account[],
    wanted: { readonly holds?: readonly string[]; readonly waitForSharedMs?: number | undefined } = {},
  ): Promise<Books> {
    const { holds: holdIds = [], waitForSharedMs } = wanted;
    const [balances, holds] = await Promise.all([
      waitForSharedMs === undefined
        ? lockFreeBalances(tx, accounts)
        : lockFreeThenShared(tx, accounts, waitForSharedMs),
      loadHolds(tx, holdIds),
    ]);
    return new Books({ balances, holds, entryIds: [] });
  }

  prepare(tx: Transaction): void {
    prepareToMoveMoney(tx);
  }

  saveBooks(tx: Transaction, books: Books, now: EpochMs): void {
    const { balances, holdsOpened, holdsClosed, entries } = books.changes();
    if (balances.length > 0) updateBalances(tx, balances);
    if (holdsOpened.length > 0) insertHolds(tx, holdsOpened, now);
    if (holdsClosed.length > 0) closeHolds(tx, holdsClosed, now);
    if (entries.length > 0) insertEntries(tx, entries);
  }

  findProfiles(tx: Transaction, refs: readonly AccountRef[]): Promise<Map<string, AccountProfile>> {
    return findProfiles(tx, refs);
  }

  reserveKeys(tx: Transaction, count: number): Promise<bigint[]> {
    return reserveKeys(tx, count);
  }

  insertAccounts(tx: Transaction, created: readonly NewAccount[]): void {
    insertAccounts(tx, created);
  }

  /** Accounts by ref; those never met before cost a round trip. Unknown ones are absent. */
  async resolve(tx: Transaction, refs: readonly AccountRef[]): Promise<Map<string, Account>> {
    const found = new Map<string, Account>();
    const missing = new Map<string, AccountRef>();
    for (const account of refs) {
      const ref = accountRef(account);
      const known = this.#directory.find(ref);
      if (known === undefined) missing.set(ref, account);
      else found.set(ref, known);
    }
    if (missing.size > 0) {
      for (const account of await findAccounts(tx, [...missing.values()])) {
        this.#directory.remember(account);
        found.set(accountRef(account), account);
      }
    }
    return found;
  }
}
