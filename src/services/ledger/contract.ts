/**
 * What other services of the money database may ask of the ledger, with their own transaction, so that their decision
 * and the money commit together (DESIGN §4, R4). Reading and locking: `openBooks`; deciding: the methods of `Books`;
 * writing: `saveBooks`. At most one pair of books per transaction.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { Books } from './books.ts';

export {
  type AuditedAccount,
  countLedgerKeys,
  differingEntries,
  differingEntryIds,
  differingHolds,
  differingPostings,
  findAccountKeys,
  listAuditedAccounts,
  measureBalances,
  postingsAfter,
  sumBalances,
  type UuidRange,
  walkPostings,
} from './audit.ts';
export type { Account, AccountKind, Balance, Entry, EntryDraft, Hold, Posting } from './books.ts';
export { accountRef, availableMinor, Books } from './books.ts';
export {
  correctBalance,
  type LockedBalance,
  lockBalance,
  measureHeldExcess,
  restoreHold,
} from './corrections.ts';
export { entryIdOf } from './entry-id.ts';
export type { AccountOpened, EntryPosted, PostingRefused } from './events.ts';
export { type LedgerProblemCode, ledgerProblems } from './problems.ts';

export interface AccountRef {
  readonly tenant: string;
  readonly id: string;
}

/** An account as a decision may see it without a lock: true when read, not more. */
export interface AccountGlance {
  readonly currency: string;
  readonly status: 'open' | 'closed';
}

export interface Ledger {
  /** Without locks, for decisions that a later one under the lock confirms. Keys are `accountRef`s; an unknown account is absent. */
  glance(tx: Transaction, accounts: readonly AccountRef[]): Promise<ReadonlyMap<string, AccountGlance>>;
  /**
   * Locks the balances (those with a floor first, each group ascending: R3) and loads holds and entries behind the
   * locks (R2). The accounts of the holds must be among `accounts`.
   */
  openBooks(
    tx: Transaction,
    wanted: { accounts: readonly AccountRef[]; holds?: readonly string[]; entries?: readonly string[] },
  ): Promise<Books>;
  /** Sends what the books changed. */
  saveBooks(tx: Transaction, books: Books, now: EpochMs): void;
}
