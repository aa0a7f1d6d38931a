/**
 * Accounts as this process has last left them: a batch need not lock and load again what it wrote a moment ago.
 *
 * RA1: what is remembered is right as long as the account's change number is. Whoever writes anything of an account raises
 *      that, and what is remembered is written under the lock of its standing and only where the number is still the same
 *      (MOVE_STANDINGS). So what is remembered wrongly costs a batch, never a figure.
 * RA2: a batch takes an account once; if its commit fails everything is forgotten, so that it is locked and loaded.
 * RA3: where somebody else counts for the same accounts nearly every batch would fail. So after one that did nothing is
 *      remembered for a while.
 */
import type { Counted, Standing } from './count-postings.ts';
import type { DayOfAccount } from './day.ts';
import { type AccountState, type LinedUp, lineUp } from './line-up.ts';
import { dayOf, nameText, type Posting } from './posting.ts';
import { WAITING_PAGE } from './store.ts';

/** Some 800 bytes each. */
const REMEMBERED_MAX = 20_000;
/** RA3: batches. Under load one is half a second. */
const DISTRUSTED_FOR = 20;

interface Remembered {
  readonly account: AccountState;
  /** Its last one. */
  readonly day: DayOfAccount;
  /** By the batch that is under way. */
  isTaken: boolean;
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

  /** RA2. By `nameText`; undefined unless all the postings are next, and of the last day. */
  take(name: string, postings: readonly Posting[]): LinedUp | undefined {
    const remembered = this.#accounts.get(name);
    if (remembered === undefined || remembered.isTaken) return undefined;
    const { account, day } = remembered;
    const timeZone = account.facts?.timeZone ?? '';
    if (postings.every((posting) => dayOf(posting, timeZone) === day.day)) {
      const { next, early } = lineUp(account, postings);
      if (early.length === 0) {
        remembered.isTaken = next.length > 0;
        return { account, day, next, early };
      }
    }
    this.#accounts.delete(name);
    return undefined;
  }

  /** What a commit with this number has left. */
  committed({
    linedUp,
    standings,
    change,
  }: Pick<Counted, 'standings'> & {
    readonly linedUp: readonly LinedUp[];
    readonly change: bigint;
  }): void {
    this.#isUnderWay = false;
    if (this.#distrustedFor > 0) return;
    // Both in the order of the names; an account without a standing was not counted for.
    let index = 0;
    for (const each of linedUp) {
      const standing = standings[index];
      if (standing?.key !== each.account.key) continue;
      index += 1;
      if (isWhole(each, standing)) this.#remember(each.account, standing, change);
    }
  }

  #remember({ tenant, id, key, facts }: AccountState, standing: Standing, change: bigint): void {
    const { sequence, lastDay, counted } = standing;
    if (this.#accounts.size >= REMEMBERED_MAX) this.#accounts.clear();
    const account = { tenant, id, key, facts, sequence, lastDay, waiting: [], change };
    this.#accounts.set(nameText(account), { account, day: counted, isTaken: false });
  }
}

/** Whether nothing of the account waits, and no day stands behind the one that was counted to last. */
function isWhole({ account, early }: LinedUp, { sequence: last, lastDay, counted }: Standing): boolean {
  return (
    early.length === 0 &&
    account.waiting.length < WAITING_PAGE &&
    account.waiting.every(({ sequence }) => sequence <= last) &&
    lastDay === counted.day
  );
}
