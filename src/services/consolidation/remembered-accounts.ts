/**
 * Accounts as this process has last left them: a batch need not lock and load again what it wrote a moment ago.
 *
 * RA1: what is remembered is right as long as the account's change number is. Whoever writes anything of an account raises
 *      that, and what is remembered is written under the lock of its standing and only where the number is still the same
 *      (MOVE_STANDINGS). So what is remembered wrongly costs a batch, never a figure.
 * RA2: what a batch takes is forgotten until its commit has succeeded: what fails is locked and loaded.
 * RA3: where somebody else counts for the same accounts nearly every batch would fail. So after one that did nothing is
 *      remembered for a while.
 */
import type { Counted, DayRef } from './count-postings.ts';
import type { Day } from './day.ts';
import { type AccountState, type LinedUp, lineUp } from './line-up.ts';
import { type AccountName, dayOf, nameText, type Posting } from './posting.ts';
import { WAITING_PAGE } from './store.ts';

/** Some 800 bytes each. */
const REMEMBERED_MAX = 20_000;
/** RA3: batches. Under load one is half a second. */
const DISTRUSTED_FOR = 20;

type DayOfAccount = DayRef & Day;

interface Remembered {
  readonly account: AccountState;
  /** Its last one. */
  readonly day: DayOfAccount;
}

/** An account with what is to be counted, and the day that it counts to. */
export interface AtHand {
  readonly linedUp: LinedUp;
  readonly day: DayOfAccount;
}

export class RememberedAccounts {
  readonly #accounts = new Map<string, Remembered>();
  #isUnderWay = false;
  #distrustedFor = 0;

  /** With each batch, before anything is taken. */
  begin(): void {
    if (this.#isUnderWay) {
      this.#accounts.clear();
      this.#distrustedFor = DISTRUSTED_FOR; // RA3
    } else if (this.#distrustedFor > 0) this.#distrustedFor -= 1;
    this.#isUnderWay = true;
  }

  /** RA2. Undefined unless all the postings are next, and of the last day. */
  take(name: AccountName, postings: readonly Posting[]): AtHand | undefined {
    const text = nameText(name);
    const remembered = this.#accounts.get(text);
    if (remembered === undefined) return undefined;
    this.#accounts.delete(text);
    const { account, day } = remembered;
    const timeZone = account.facts?.timeZone ?? '';
    if (postings.some((posting) => dayOf(posting, timeZone) !== day.day)) return undefined;
    const linedUp = lineUp(account, postings);
    return linedUp.early.length > 0 ? undefined : { linedUp, day };
  }

  /** What a commit with this number has left. */
  committed({
    linedUp,
    begun,
    changed,
    change,
  }: Pick<Counted, 'begun' | 'changed'> & {
    readonly linedUp: readonly LinedUp[];
    readonly change: bigint;
  }): void {
    this.#isUnderWay = false;
    if (this.#distrustedFor > 0) return;
    const lastDays = latestByAccount([...begun, ...changed]);
    for (const each of linedUp) {
      const day = lastDays.get(each.account.key);
      if (day !== undefined && isWhole(each, day)) this.#remember(each, day, change);
    }
  }

  #remember({ account, next }: LinedUp, day: DayOfAccount, change: bigint): void {
    if (this.#accounts.size >= REMEMBERED_MAX) this.#accounts.clear();
    const { sequence } = next.at(-1) as Posting;
    const left: AccountState = { ...account, sequence, lastDay: day.day, waiting: [], change };
    this.#accounts.set(nameText(account), { account: left, day });
  }
}

function latestByAccount(days: readonly DayOfAccount[]): ReadonlyMap<bigint, DayOfAccount> {
  const latest = new Map<bigint, DayOfAccount>();
  for (const day of days) {
    const known = latest.get(day.key);
    if (known === undefined || known.day < day.day) latest.set(day.key, day);
  }
  return latest;
}

/** Whether nothing of the account waits, and no day stands behind the one that was counted to last. */
function isWhole({ account, next, early }: LinedUp, { day }: Day): boolean {
  const last = next.at(-1)?.sequence ?? 0n;
  return (
    early.length === 0 &&
    account.waiting.length < WAITING_PAGE &&
    account.waiting.every(({ sequence }) => sequence <= last) &&
    (account.lastDay === null || account.lastDay <= day)
  );
}
