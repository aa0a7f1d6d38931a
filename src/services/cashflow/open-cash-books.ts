/**
 * Locks and loads what entries of cash books touch: the books, the accounts of categories, time zones, and keys for
 * accounts that have to be opened. Shared by requests and imports.
 */
import type { Transaction } from '#platform/postgres/session.ts';
import { type Account, type AccountRef, accountRef, type Ledger } from '#services/ledger/contract.ts';
import { contraAccountId } from './contra-account.ts';
import type { CashBooks } from './record-cash-entry.ts';

export interface Wanted {
  /** What entries are to be recorded in. */
  readonly entries: readonly { readonly account: AccountRef; readonly category: string | null }[];
  /** Accounts of entries that are to be given back: cash books, and those of categories. */
  readonly accounts?: readonly { readonly book: AccountRef; readonly contra: AccountRef }[];
}

/** R3: the balances are the first rows that it locks; what depends on them is the caller's to read behind it (R2). */
export async function openCashBooks(tx: Transaction, ledger: Ledger, wanted: Wanted): Promise<CashBooks> {
  const { entries, accounts = [] } = wanted;
  const books = [...entries.map(({ account }) => account), ...accounts.map(({ book }) => book)];
  // A category's account is one of the book's currency, which never changes: it is known without a lock.
  const known = await ledger.resolve(tx, books);
  const contras = entries.flatMap(({ account, category }) =>
    contraOf(known.get(accountRef(account)), category),
  );
  const opened = await ledger.resolve(tx, contras);
  const toOpen = new Set(contras.map(accountRef).filter((ref) => !opened.has(ref)));
  const [loaded, profiles, keys] = await Promise.all([
    // One that somebody opens meanwhile stays unknown here: what belongs to it was not asked for.
    ledger.openBooks(tx, {
      accounts: [...known.values(), ...opened.values(), ...accounts.map(({ contra }) => contra)],
    }),
    ledger.findProfiles(tx, [...known.values()]),
    toOpen.size === 0 ? [] : ledger.reserveKeys(tx, toOpen.size),
  ]);
  const timeZones = new Map([...profiles].map(([ref, { timeZone }]) => [ref, timeZone]));
  return { books: loaded, timeZones, keys, unwritten: new Map() };
}

function contraOf(book: Account | undefined, category: string | null): AccountRef[] {
  if (book === undefined) return [];
  return [{ tenant: book.tenant, id: contraAccountId(book.currency, category) }];
}
