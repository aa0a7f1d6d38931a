/**
 * The books: the accounts, holds and entries that one batch touches, locked and loaded, and every change that money
 * can make, decided in memory one after the other. The only way to move money (R4).
 *
 * B1: available = posted − held never falls below the floor by a debit or a hold.
 * B2: an entry sums to zero in each currency.
 * B3: an account's sequence has no gap, and posted_at never goes back along it.
 * B4: a hold ends once; the amount it held is given back in the same step.
 * B5: doing again what was done changes nothing and says so.
 * B6: an account is not closed while a hold is open that is to be paid to it, nor is one placed for a closed account.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { isInMoneyRange } from '#kernel/money.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { EntryPurpose } from './entry-id.ts';
import type { LedgerProblemCode } from './problems.ts';

export const ACCOUNT_KINDS = ['wallet', 'service', 'external', 'card', 'cashbook'] as const;
export type AccountKind = (typeof ACCOUNT_KINDS)[number];

/** What never changes about an account. */
export interface Account {
  readonly key: bigint;
  readonly tenant: string;
  readonly id: string;
  readonly kind: AccountKind;
  readonly currency: string;
  /** The least `available` may be, in minor units; null means none. */
  readonly floorMinor: bigint | null;
}

export interface Balance {
  readonly account: Account;
  status: 'open' | 'closed';
  postedMinor: bigint;
  heldMinor: bigint;
  sequence: bigint;
  lastPostedAt: EpochMs;
}

export type HoldState = 'open' | 'captured' | 'released' | 'expired';

export interface Hold {
  /** The owner's uuid. */
  readonly id: string;
  readonly accountKey: bigint;
  readonly amountMinor: bigint;
  /** Absent: a payment's or a refund's. */
  readonly owner?: 'card';
  /** Of the account that waits for the amount; absent where none does (B6). */
  readonly payeeKey?: bigint;
  state: HoldState;
}

export interface EntryDraft {
  readonly id: string;
  readonly tenant: string;
  readonly cause: string;
  readonly purpose: EntryPurpose;
  /** Credits positive, debits negative; one account may stand more than once. */
  readonly postings: readonly { readonly accountId: string; readonly amountMinor: bigint }[];
  readonly description?: string | null;
  readonly reference?: string | null;
  /** A calendar date, `2026-11-20`. */
  readonly effectiveOn?: string | null;
}

export interface Posting {
  readonly account: Account;
  readonly amountMinor: bigint;
  readonly sequence: bigint;
  readonly postedAfterMinor: bigint;
  readonly postedAt: EpochMs;
}

export interface Entry extends Omit<EntryDraft, 'postings'> {
  readonly postings: readonly Posting[];
  readonly postedAt: EpochMs;
}

type LedgerProblem = Problem<LedgerProblemCode>;

/** `already`: the effect was there before (B5). */
export type HoldOutcome = 'held' | 'already';
export type PostOutcome = Entry | 'already';

export interface BooksContent {
  readonly balances: readonly Balance[];
  readonly holds: readonly Hold[];
  /** Ids of entries that exist, of those asked for. */
  readonly entryIds: readonly string[];
}

export class Books {
  readonly #balances = new Map<string, Balance>();
  readonly #balancesByKey = new Map<bigint, Balance>();
  readonly #holds = new Map<string, Hold>();
  readonly #entryIds: Set<string>;
  readonly #changed = new Set<Balance>();
  readonly #opened = new Set<Hold>();
  readonly #closed: Hold[] = [];
  readonly #entries: Entry[] = [];

  constructor(content: BooksContent) {
    for (const balance of content.balances) this.#enter(balance);
    for (const hold of content.holds) this.#holds.set(hold.id, hold);
    this.#entryIds = new Set(content.entryIds);
  }

  /** The locked balance of an account, if it exists. It must have been asked for when the books were opened. */
  find(tenant: string, accountId: string): Balance | undefined {
    return this.#balances.get(accountRef({ tenant, id: accountId }));
  }

  /** A hold that was asked for when the books were opened, if it exists. */
  findHold(id: string): Hold | undefined {
    return this.#holds.get(id);
  }

  /**
   * Sets an amount aside: available falls, posted does not. `payeeId`: who must still be there when it is captured, since
   * what happens in between cannot be undone (B6).
   */
  reserve(hold: {
    id: string;
    tenant: string;
    accountId: string;
    amountMinor: bigint;
    owner?: 'card';
    payeeId?: string;
  }): Decision<HoldOutcome, LedgerProblem> {
    if (this.#holds.has(hold.id)) return accepted('already');
    const { tenant, accountId, payeeId } = hold;
    const holder = this.#findOpen(tenant, accountId);
    if (!holder.ok) return holder;
    const payee = payeeId === undefined ? undefined : this.#findOpen(tenant, payeeId);
    if (payee?.ok === false) return payee;
    const balance = holder.value;
    if (!canSpend(balance, hold.amountMinor)) return refused(insufficientFunds(balance, hold.amountMinor));
    // Below zero without a floor, what is held may pass the range before what is available does.
    if (!isInMoneyRange(balance.heldMinor + hold.amountMinor)) return refused(outOfRange(balance));
    const opened: Hold = {
      id: hold.id,
      accountKey: balance.account.key,
      amountMinor: hold.amountMinor,
      state: 'open',
      ...(hold.owner === undefined ? {} : { owner: hold.owner }),
      ...(payee === undefined ? {} : { payeeKey: payee.value.account.key }),
    };
    balance.heldMinor += hold.amountMinor;
    this.#holds.set(hold.id, opened);
    this.#opened.add(opened);
    this.#changed.add(balance);
    return accepted('held');
  }

  /** Ends a hold by giving the amount back. */
  release(
    holdId: string,
    how: 'released' | 'expired' = 'released',
  ): Decision<'released' | 'already', LedgerProblem> {
    const hold = this.#holds.get(holdId);
    if (hold === undefined || hold.state === 'captured') return refused(holdClosed(hold));
    if (hold.state !== 'open') return accepted('already');
    this.#close(hold, how);
    return accepted('released');
  }

  /** Ends a hold by the entry that spends it: both or neither. */
  capture(holdId: string, entry: EntryDraft, now: EpochMs): Decision<PostOutcome, LedgerProblem> {
    if (this.#entryIds.has(entry.id)) return accepted('already');
    const hold = this.#holds.get(holdId);
    if (hold === undefined || hold.state !== 'open') return refused(holdClosed(hold));
    const balance = this.#balanceOf(hold);
    // What was held is free for this entry alone: nothing else is decided between the two steps.
    balance.heldMinor -= hold.amountMinor;
    const posted = this.post(entry, now);
    balance.heldMinor += hold.amountMinor;
    if (posted.ok) this.#close(hold, 'captured');
    return posted;
  }

  /** Posts an entry; every check comes before the first change. */
  post(entry: EntryDraft, now: EpochMs): Decision<PostOutcome, LedgerProblem> {
    if (this.#entryIds.has(entry.id)) return accepted('already');
    const lines: Line[] = [];
    for (const { accountId, amountMinor } of entry.postings) {
      const party = this.#findOpen(entry.tenant, accountId);
      if (!party.ok) return party;
      lines.push({ balance: party.value, amountMinor });
    }
    const obstacle = unbalanced(lines) ?? outOfBounds(lines);
    if (obstacle !== undefined) return refused(obstacle);
    const postedAt = lines.reduce((latest, { balance }) => Math.max(latest, balance.lastPostedAt), now); // B3
    const postings = lines.map((line) => this.#postLine(line, postedAt));
    const posted: Entry = { ...entry, postings, postedAt };
    this.#entryIds.add(entry.id);
    this.#entries.push(posted);
    return accepted(posted);
  }

  /** Enters an account that is new; the caller writes its rows before `saveBooks` (store.ts, `insertAccounts`). */
  openAccount(account: Account, now: EpochMs): Decision<Balance, LedgerProblem> {
    if (this.find(account.tenant, account.id) !== undefined) return refused(accountExists(account.id));
    const balance: Balance = {
      account,
      status: 'open',
      postedMinor: 0n,
      heldMinor: 0n,
      sequence: 0n,
      lastPostedAt: now,
    };
    this.#enter(balance);
    return accepted(balance);
  }

  /** Closes an account that holds nothing and waits for nothing. The holds that are to be paid to it must have been asked for. */
  closeAccount(tenant: string, accountId: string): Decision<Balance, LedgerProblem> {
    const open = this.#findOpen(tenant, accountId);
    if (!open.ok) return open;
    const balance = open.value;
    if (balance.postedMinor !== 0n || balance.heldMinor !== 0n) {
      const detail = `Account ${accountId} has posted ${balance.postedMinor} and held ${balance.heldMinor}; both must be 0.`;
      return refused(problem('ledger.account_not_empty', detail, { members: { account_id: accountId } }));
    }
    if (this.#isAwaiting(balance)) {
      const detail = `Money is on its way to account ${accountId}: a refund that has not ended yet.`;
      return refused(problem('ledger.account_not_empty', detail, { members: { account_id: accountId } }));
    }
    balance.status = 'closed';
    this.#changed.add(balance);
    return accepted(balance);
  }

  /** What `save` has to write. */
  changes(): {
    readonly balances: readonly Balance[];
    readonly holdsOpened: readonly Hold[];
    readonly holdsClosed: readonly Hold[];
    readonly entries: readonly Entry[];
  } {
    return {
      balances: [...this.#changed],
      holdsOpened: [...this.#opened],
      holdsClosed: this.#closed,
      entries: this.#entries,
    };
  }

  #findOpen(tenant: string, accountId: string): Decision<Balance, LedgerProblem> {
    const balance = this.find(tenant, accountId);
    if (balance === undefined) return refused(accountNotFound(accountId));
    return balance.status === 'closed' ? refused(accountClosed(accountId)) : accepted(balance);
  }

  // B6
  #isAwaiting({ account }: Balance): boolean {
    for (const { payeeKey, state } of this.#holds.values())
      if (payeeKey === account.key && state === 'open') return true;
    return false;
  }

  #enter(balance: Balance): void {
    this.#balances.set(accountRef(balance.account), balance);
    this.#balancesByKey.set(balance.account.key, balance);
  }

  #postLine({ balance, amountMinor }: Line, postedAt: EpochMs): Posting {
    balance.postedMinor += amountMinor;
    balance.sequence += 1n; // B3
    balance.lastPostedAt = postedAt;
    this.#changed.add(balance);
    return {
      account: balance.account,
      amountMinor,
      sequence: balance.sequence,
      postedAfterMinor: balance.postedMinor,
      postedAt,
    };
  }

  #close(hold: Hold, state: Exclude<HoldState, 'open'>): void {
    const balance = this.#balanceOf(hold);
    balance.heldMinor -= hold.amountMinor; // B4
    hold.state = state;
    this.#changed.add(balance);
    // A hold opened and ended in the same batch is written once, in its final state.
    if (!this.#opened.has(hold)) this.#closed.push(hold);
  }

  #balanceOf(hold: Hold): Balance {
    const balance = this.#balancesByKey.get(hold.accountKey);
    if (balance === undefined)
      throw new InvariantViolation(`the account of hold ${hold.id} was not locked with it`);
    return balance;
  }
}

interface Line {
  readonly balance: Balance;
  readonly amountMinor: bigint;
}

/** Tenants and account ids have no slash. */
export function accountRef(account: { readonly tenant: string; readonly id: string }): string {
  return `${account.tenant}/${account.id}`;
}

export function availableMinor(balance: Pick<Balance, 'postedMinor' | 'heldMinor'>): bigint {
  return balance.postedMinor - balance.heldMinor;
}

function canSpend(balance: Balance, amountMinor: bigint): boolean {
  const { floorMinor } = balance.account;
  const remaining = availableMinor(balance) - amountMinor;
  return floorMinor === null ? isInMoneyRange(remaining) : remaining >= floorMinor; // B1
}

function unbalanced(lines: readonly Line[]): LedgerProblem | undefined {
  const sums = new Map<string, bigint>();
  for (const { balance, amountMinor } of lines) {
    const { currency } = balance.account;
    sums.set(currency, (sums.get(currency) ?? 0n) + amountMinor);
  }
  for (const [currency, sum] of sums) {
    if (sum !== 0n) {
      const code = sums.size > 1 ? 'ledger.currency_mismatch' : 'ledger.unbalanced_entry';
      const [more, less] = sum > 0n ? ['credits', 'debits'] : ['debits', 'credits'];
      return problem(
        code,
        `In ${currency} ${more} exceed ${less} by ${sum > 0n ? sum : -sum}; they must be equal.`,
      );
    }
  }
  return undefined;
}

/**
 * Funds by the net change of each account, as an entry may touch one account more than once; range after every line,
 * because each posting tells the balance after it.
 */
function outOfBounds(lines: readonly Line[]): LedgerProblem | undefined {
  const nets = new Map<Balance, bigint>();
  for (const { balance, amountMinor } of lines) {
    const net = (nets.get(balance) ?? 0n) + amountMinor;
    if (!isInMoneyRange(balance.postedMinor + net)) return outOfRange(balance);
    nets.set(balance, net);
  }
  for (const [balance, net] of nets) {
    if (net < 0n && !canSpend(balance, -net)) return insufficientFunds(balance, -net);
  }
  return undefined;
}

export function accountNotFound(accountId: string): LedgerProblem {
  return problem('ledger.account_not_found', `There is no account ${accountId}.`, {
    members: { account_id: accountId },
  });
}

function accountExists(accountId: string): LedgerProblem {
  return problem('ledger.account_exists', `There is an account ${accountId}.`, {
    members: { account_id: accountId },
  });
}

function accountClosed(accountId: string): LedgerProblem {
  return problem('ledger.account_closed', `Account ${accountId} is closed.`, {
    members: { account_id: accountId },
  });
}

function insufficientFunds(balance: Balance, amountMinor: bigint): LedgerProblem {
  const { id, currency, floorMinor } = balance.account;
  const detail = `Account ${id} has ${availableMinor(balance)} ${currency} available (minor units, floor ${floorMinor ?? 'none'}); ${amountMinor} were asked for.`;
  return problem('ledger.insufficient_funds', detail, { members: { account_id: id } });
}

function outOfRange({ account: { id } }: Balance): LedgerProblem {
  return problem('ledger.amount_out_of_range', `Account ${id} would leave the range of ±(2^53−1).`, {
    members: { account_id: id },
  });
}

function holdClosed(hold: Hold | undefined): LedgerProblem {
  return problem(
    'ledger.hold_closed',
    hold === undefined ? 'There is no such hold.' : `The hold was ${hold.state} before.`,
  );
}
