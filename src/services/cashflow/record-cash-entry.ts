/**
 * A cash entry decided and posted; pure. Its checks are in this order: the account exists, is a cash book, is open; the
 * day has begun there; the category's account can be used; funds and range, which the books look at.
 */
import { calendarDateIn } from '#kernel/calendar-date.ts';
import type { EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { invariant } from '#kernel/fault.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import {
  type AccountRef,
  accountRef,
  type Balance,
  type Books,
  type Entry,
  entryIdOf,
  type NewAccount,
  openAccount,
} from '#services/ledger/contract.ts';
import type { CashEntry, ImportLine } from './cash-entry.ts';
import type { CashEntryTerms } from './cash-orders.ts';
import { contraAccountId } from './contra-account.ts';
import type { CashflowProblemCode } from './problems.ts';

/** What decisions about cash entries are made on, and change. */
export interface CashBooks {
  readonly books: Books;
  /** Of cash books, by `accountRef`. */
  readonly timeZones: ReadonlyMap<string, string>;
  /** Reserved for the accounts of categories that may have to be opened. */
  readonly keys: bigint[];
  /** Accounts that are in these books alone as yet, by `accountRef`: whoever first posts to one brings it with him. */
  readonly unwritten: Map<string, NewAccount>;
}

export interface Recorded {
  readonly cashEntry: CashEntry;
  readonly entry: Entry;
  /** The category's account, if this is the first entry of it. */
  readonly opened: NewAccount | undefined;
}

export interface RecordRequest {
  readonly tenant: string;
  readonly uuid: string;
  readonly terms: CashEntryTerms;
  readonly source: ImportLine | null;
}

export function recordCashEntry(
  on: CashBooks,
  { tenant, uuid, terms, source }: RecordRequest,
  now: EpochMs,
): Decision<Recorded> {
  const { account_id: accountId, occurred_on: occurredOn } = terms;
  const book = on.books.find(tenant, accountId);
  const obstacle = book === undefined ? accountNotFound(accountId) : unusable(book);
  if (book === undefined || obstacle !== undefined) return refused(obstacle ?? accountNotFound(accountId));
  const early = futureDate(on, { tenant, id: accountId }, { occurredOn, now });
  if (early !== undefined) return refused(early);
  const { currency } = book.account;
  const category = terms.category ?? null;
  const cashEntry: CashEntry = {
    tenant,
    uuid,
    accountId,
    contraAccountId: contraAccountId(currency, category),
    direction: terms.direction,
    amountMinor: BigInt(terms.amount),
    currency,
    occurredOn,
    description: terms.description,
    category,
    reverses: null,
    source,
    recordedAt: now,
  };
  const taken = openContra(on, cashEntry, now);
  return taken === undefined ? postCashEntry(on, cashEntry, now) : refused(taken);
}

/** Posts what was checked but for funds and range. */
export function postCashEntry(on: CashBooks, cashEntry: CashEntry, now: EpochMs): Decision<Recorded> {
  const { tenant, uuid, accountId, contraAccountId: contraId, amountMinor } = cashEntry;
  const signedMinor = cashEntry.direction === 'credit' ? amountMinor : -amountMinor;
  const draft = {
    id: entryIdOf(uuid, 'cash_entry'),
    tenant,
    cause: uuid,
    purpose: 'cash_entry',
    postings: [
      { accountId, amountMinor: signedMinor },
      { accountId: contraId, amountMinor: -signedMinor },
    ],
    description: cashEntry.description,
    effectiveOn: cashEntry.occurredOn,
  } as const;
  const posted = on.books.post(draft, now);
  if (!posted.ok) return refused({ ...posted.problem, errors: [pointed(posted.problem)] });
  invariant(posted.value !== 'already', `the new cash entry ${uuid} has a journal entry`);
  const ref = accountRef({ tenant, id: contraId });
  const opened = on.unwritten.get(ref);
  on.unwritten.delete(ref);
  return accepted({ cashEntry, entry: posted.value, opened });
}

/** Why nothing can be recorded in an account; undefined if something can. */
function unusable({ account: { id, kind }, status }: Balance): Problem | undefined {
  if (kind !== 'cashbook') {
    const detail = `Account ${id} is a ${kind} account, not a cash book.`;
    return fieldProblem('cashflow.not_a_cash_book', detail, 'not_a_cash_book');
  }
  return status === 'closed'
    ? fieldProblem('ledger.account_closed', `Account ${id} is closed.`, 'closed')
    : undefined;
}

/** The problem of a day that has not begun in the account's time zone. */
export function futureDate(
  on: Pick<CashBooks, 'timeZones'>,
  account: AccountRef,
  { occurredOn, now }: { readonly occurredOn: string; readonly now: EpochMs },
): Problem<CashflowProblemCode> | undefined {
  const today = todayOf(on, account, now);
  if (occurredOn <= today) return undefined;
  const detail = `In the time zone of account ${account.id} it is ${today}; ${occurredOn} has not begun.`;
  return problem('cashflow.future_date', detail, {
    errors: [{ pointer: '/occurred_on', code: 'future', detail }],
  });
}

/** The day that it is where the account is. */
export function todayOf(
  { timeZones }: Pick<CashBooks, 'timeZones'>,
  account: AccountRef,
  now: EpochMs,
): string {
  const timeZone = timeZones.get(accountRef(account));
  invariant(timeZone !== undefined, `account ${accountRef(account)} was loaded without its time zone`);
  return calendarDateIn(timeZone, now);
}

/** Opens the category's account if nobody has; the problem of one that is there and cannot be used. */
function openContra(on: CashBooks, cashEntry: CashEntry, now: EpochMs): Problem | undefined {
  const { tenant, contraAccountId: id, currency, category } = cashEntry;
  const known = on.books.find(tenant, id);
  if (known !== undefined) return isContra(known, currency) ? undefined : accountTaken(id);
  const key = on.keys.pop();
  invariant(key !== undefined, 'a batch has a key for each account that it may open');
  const order = {
    operation: 'accounts.create',
    id,
    kind: 'external',
    currency,
    ...(category === null ? {} : { name: category }),
  } as const;
  const opened = openAccount(on.books, { tenant, id, key, order }, now);
  invariant(opened.ok, `account ${accountRef({ tenant, id })} could not be opened`);
  on.unwritten.set(accountRef({ tenant, id }), opened.value.created);
  return undefined;
}

function isContra({ account, status }: Balance, currency: string): boolean {
  const { kind, floorMinor } = account;
  return kind === 'external' && floorMinor === null && account.currency === currency && status === 'open';
}

/** Funds, range, or a category's account that was closed. */
function pointed({ code, detail }: Problem) {
  const isAmount = code === 'ledger.insufficient_funds' || code === 'ledger.amount_out_of_range';
  return { pointer: isAmount ? '/amount' : '/account_id', code: code.replace('ledger.', ''), detail };
}

export function accountNotFound(accountId: string): Problem {
  return fieldProblem('ledger.account_not_found', `There is no account ${accountId}.`, 'unknown');
}

export function accountTaken(id: string): Problem<CashflowProblemCode> {
  const detail = `The account ${id} is not one that cash entries can be posted against.`;
  return problem('cashflow.account_taken', detail, { members: { account_id: id } });
}

function fieldProblem(code: string, detail: string, fault: string): Problem {
  return problem(code, detail, { errors: [{ pointer: '/account_id', code: fault, detail }] });
}
