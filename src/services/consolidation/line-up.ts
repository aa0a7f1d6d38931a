/**
 * An account's postings in its own order. Those of a payee come from the partitions of its payers, in any order: what
 * comes before one of a lower sequence waits for it.
 *
 * L1: a posting is counted behind the one before it, and once.
 * L2: of an account that has not been told of nothing is counted: nobody knows its time zone.
 */
import type { CalendarDate } from './business-day.ts';
import type { DayOfAccount } from './day.ts';
import type { AccountFacts, AccountName, Posting } from './posting.ts';

/** An account as its batch finds it: locked, or remembered (remembered-accounts.ts). */
export interface AccountState extends AccountName {
  readonly key: bigint;
  /** Undefined: account.opened has not come. */
  readonly facts: AccountFacts | undefined;
  /** Of the last posting that is counted; 0 before the first. */
  readonly sequence: bigint;
  /** The last one that has a row. */
  readonly lastDay: CalendarDate | null;
  /** Ascending; the first ones that wait. */
  readonly waiting: readonly Posting[];
  /** Of one that is remembered, and not locked: the change number by which it is known to be as it was. */
  readonly change?: bigint;
}

export interface LinedUp {
  readonly account: AccountState;
  /** Of an account that is remembered: the day that all of the next postings count to. */
  readonly day?: DayOfAccount;
  /** To be counted now, in the account's order. */
  readonly next: readonly Posting[];
  /** To wait from now on. */
  readonly early: readonly Posting[];
}

export function lineUp(account: AccountState, arrived: readonly Posting[]): LinedUp {
  if (areNext(account, arrived)) return { account, next: arrived, early: [] };
  const known = new Map(account.waiting.map((posting) => [posting.sequence, posting]));
  const fresh = new Map<bigint, Posting>();
  for (const posting of arrived)
    if (posting.sequence > account.sequence && !known.has(posting.sequence))
      fresh.set(posting.sequence, posting);
  const next: Posting[] = [];
  if (account.facts !== undefined) {
    for (let sequence = account.sequence + 1n; ; sequence++) {
      const posting = known.get(sequence) ?? fresh.get(sequence);
      if (posting === undefined) break;
      next.push(posting);
      fresh.delete(sequence);
    }
  }
  return { account, next, early: [...fresh.values()] };
}

/** As it is nearly always: nothing waits, and what has come is in order and follows. */
function areNext({ facts, sequence, waiting }: AccountState, arrived: readonly Posting[]): boolean {
  if (facts === undefined || waiting.length > 0) return false;
  let last = sequence;
  return arrived.every((posting) => posting.sequence === (last += 1n));
}
