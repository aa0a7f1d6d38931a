/**
 * What other services of the money database may ask of the ledger, with their own transaction, so that their decision
 * and the money commit together (DESIGN §4, R4). Reading and locking: `openBooks`; deciding: the methods of `Books`;
 * writing: `saveBooks`. At most one pair of books per transaction.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { AccountProfile, NewAccount } from './account.ts';
import type { Account, Books } from './books.ts';

export type { AccountProfile, NewAccount } from './account.ts';
export {
  AUDITED_ENTRY_IDS,
  AUDITED_HOLDS,
  differingAwaited,
  differingCardHolds,
  differingEntries,
  differingEntryIds,
  differingHolds,
  differingPostings,
  listCardEntries,
  listCardHolds,
  listCashJournalEntries,
  listReversals,
  type WalkedRows,
} from './audit.ts';
export {
  type AuditedAccount,
  findAccountKeys,
  listAuditedAccounts,
  measureBalances,
  sumBalances,
} from './audit-accounts.ts';
export type { Account, AccountKind, Balance, Entry, EntryDraft, Hold, Posting } from './books.ts';
export { ACCOUNT_KINDS, accountRef, availableMinor, Books } from './books.ts';
export {
  correctBalance,
  type LockedBalance,
  listOpenHolds,
  lockBalance,
  restoreHold,
} from './corrections.ts';
export { type DatedPosting, datedAfter, listDatedPostings } from './dated-postings.ts';
export { entryIdOf } from './entry-id.ts';
export type { AccountOpened, EntryPosted, PostingRefused } from './events.ts';
export { openAccount } from './open-account.ts';
export { type LedgerProblemCode, ledgerProblems } from './problems.ts';
export { renderAccountOpened, renderEntryPosted } from './render-events.ts';
export { postingsAfter, walkPostings } from './walk-postings.ts';

export interface AccountRef {
  readonly tenant: string;
  readonly id: string;
}

/** An account as a decision may see it without a lock: true when read, not more. */
export interface AccountGlance {
  readonly currency: string;
  readonly status: 'open' | 'closed';
}

export interface WantedBooks {
  readonly accounts: readonly AccountRef[];
  readonly holds?: readonly string[];
  readonly entries?: readonly string[];
  /** Of the accounts, those that may be closed: of each an open hold that is to be paid to it is loaded, if there is one. */
  readonly closing?: readonly AccountRef[];
}

export interface Ledger {
  /** Without locks, for decisions that a later one under the lock confirms. Keys are `accountRef`s; an unknown account is absent. */
  glance(tx: Transaction, accounts: readonly AccountRef[]): Promise<ReadonlyMap<string, AccountGlance>>;
  /**
   * Locks the balances (those with a floor first, each group ascending: R3) and loads holds and entries behind the
   * locks (R2). The accounts of the holds must be among `accounts`.
   */
  openBooks(tx: Transaction, wanted: WantedBooks): Promise<Books>;
  /** What never changes of accounts, by ref; unknown ones are absent. A round trip for those never met before. */
  resolve(tx: Transaction, accounts: readonly AccountRef[]): Promise<ReadonlyMap<string, Account>>;
  /** What no decision about money asks for: names, time zones. By ref; unknown accounts are absent. No lock; a time zone never changes. */
  findProfiles(
    tx: Transaction,
    accounts: readonly AccountRef[],
  ): Promise<ReadonlyMap<string, AccountProfile>>;
  /**
   * As `openBooks`, for who must not wait: accounts that somebody else has locked are left out, so that the books do not find
   * them; what they hold must be left alone then. With `waitForSharedMs` those without a floor, which are nobody's in particular, are waited for so long; then the
   * transaction fails (55P03). The locks are sent at once, so that what the caller sends next is read behind them (R2).
   */
  openFreeBooks(
    tx: Transaction,
    accounts: readonly Account[],
    wanted?: { readonly holds?: readonly string[]; readonly waitForSharedMs?: number | undefined },
  ): Promise<Books>;
  /** Has the session parse and plan the statements by which money moves, so that its first batch is not its slowest. */
  prepare(tx: Transaction): void;
  /** Keys for accounts that are to be opened; what is not used is lost. */
  reserveKeys(tx: Transaction, count: number): Promise<bigint[]>;
  /** Sends the rows of accounts that were opened in the books; before `saveBooks`. Their `account.opened` is the caller's to append. */
  insertAccounts(tx: Transaction, created: readonly NewAccount[]): void;
  /** Sends what the books changed. */
  saveBooks(tx: Transaction, books: Books, now: EpochMs): void;
}
