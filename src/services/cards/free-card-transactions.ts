/**
 * Approvals to be given back although nobody waits for it: of those that nobody else has locked, books and rows. The others
 * are left for another round; who waited for one would keep all the others locked meanwhile.
 */
import type { Transaction } from '#platform/postgres/session.ts';
import type { Books, Ledger } from '#services/ledger/contract.ts';
import type { CardTransaction } from './card-transaction.ts';
import { accountsOf } from './give-back.ts';
import { type LockedCardTransaction, lockFreeCardTransactions } from './store.ts';

export interface FreeCardTransactions {
  readonly books: Books;
  /** Those whose accounts and whose row are locked by us, by uuid. */
  readonly free: ReadonlyMap<string, LockedCardTransaction>;
}

/** The balances first, then the rows, all sent before any of it is awaited (R2, R3). */
export async function lockFree(
  tx: Transaction,
  ledger: Ledger,
  wanted: readonly CardTransaction[],
): Promise<FreeCardTransactions> {
  const accounts = await ledger.resolve(tx, wanted.flatMap(accountsOf));
  const holds = wanted.filter(({ state }) => state === 'held').map(({ uuid }) => uuid);
  const [books, rows] = await Promise.all([
    ledger.openFreeBooks(tx, [...accounts.values()], { holds }),
    lockFreeCardTransactions(tx, wanted),
  ]);
  const free = rows.filter(({ cardTransaction }) =>
    accountsOf(cardTransaction).every(({ tenant, id }) => books.find(tenant, id) !== undefined),
  );
  return { books, free: new Map(free.map((row) => [row.cardTransaction.uuid, row])) };
}
