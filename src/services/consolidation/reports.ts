/** Which accounts and days a report of daily balances is of. */

import { hash } from 'node:crypto';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import type { Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import type { RowFormat } from '#platform/http/row-format.ts';
import { type CalendarDate, DAY_MS } from './business-day.ts';
import type { AccountName } from './posting.ts';
import type { AccountLook, DayRange, DayReads } from './reads.ts';
import type { ReportCache } from './report-cache.ts';
import { ReportTexts } from './report-texts.ts';
import { ACCOUNTS_MAX } from './schemas.ts';

const YEARS_MAX = 5;
/** Years have four digits (RFC 3339). */
const LAST_DAY = '9999-12-31';
/** Of all accounts of a report together: some 50 ms to add up. */
const SUMMED_DAYS_MAX = 50_000;

export interface AskedRange {
  readonly from: CalendarDate;
  readonly to?: CalendarDate;
}

/** The text is all of a CSV, and the members of `data` in JSON. */
export interface MadeReport {
  readonly accounts: readonly AccountLook[];
  readonly stamp: string;
  text(format: RowFormat): Promise<Buffer>;
}

export class Reports {
  readonly #reads: DayReads;
  readonly #texts: ReportTexts;

  constructor(reads: DayReads, cache: ReportCache) {
    this.#reads = reads;
    this.#texts = new ReportTexts(reads, cache);
  }

  async ofAccount(name: AccountName, asked: AskedRange): Promise<Decision<MadeReport>> {
    const range = rangeOf(asked, 1);
    if (!range.ok) return range;
    const account = await this.find(name);
    return account === undefined
      ? refused(accountNotFound(name.id))
      : accepted(this.#make([account], range.value));
  }

  /** Sums, of accounts that are named. */
  async ofAccounts(tenant: string, ids: readonly string[], asked: AskedRange): Promise<Decision<MadeReport>> {
    const distinct = [...new Set(ids)].toSorted();
    const range = rangeOf(asked, distinct.length);
    if (!range.ok) return range;
    const accounts = await Promise.all(distinct.map((id) => this.find({ tenant, id })));
    const missing = distinct.find((_, index) => accounts[index] === undefined);
    if (missing !== undefined) return refused(accountNotFound(missing));
    const found = accounts.filter((account) => account !== undefined);
    const other = found.find(({ currency }) => currency !== found[0]?.currency);
    if (other !== undefined) return refused(currenciesDiffer(found[0] as AccountLook, other));
    return accepted(this.#make(found, range.value));
  }

  /** Sums, of all accounts of a kind. */
  async ofKind(
    tenant: string,
    { kind, currency }: { readonly kind: string; readonly currency: string },
    asked: AskedRange,
  ): Promise<Decision<MadeReport>> {
    const ids = await this.#reads.listOfKind(tenant, { kind, currency, limit: ACCOUNTS_MAX + 1 });
    return ids.length > ACCOUNTS_MAX ? refused(tooManyAccounts(kind)) : this.ofAccounts(tenant, ids, asked);
  }

  async find(name: AccountName): Promise<AccountLook | undefined> {
    return (await this.#reads.lookAt(name)) ?? this.#reads.findOpened(name);
  }

  #make(accounts: readonly AccountLook[], range: DayRange): MadeReport {
    const stamp = stampOf(accounts);
    return { accounts, stamp, text: (format) => this.#texts.find({ accounts, stamp, range, format }) };
  }
}

function stampOf(accounts: readonly AccountLook[]): string {
  const [only] = accounts;
  if (accounts.length === 1 && only !== undefined) return String(only.change);
  return hash('sha256', accounts.map(({ id, change }) => `${id} ${change}`).join('\n')).slice(0, 32);
}

function rangeOf({ from, to = from }: AskedRange, accounts: number): Decision<DayRange> {
  if (to < from)
    return refused(problem('consolidation.range_reversed', `The range from ${from} ends at ${to}.`));
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
  if (to > yearsLater(from) || days * accounts > SUMMED_DAYS_MAX)
    return refused(
      problem('consolidation.range_too_long', `The range has ${days} days of ${accounts} accounts.`),
    );
  return accepted({ from, to });
}

/** As a text to compare with: it may be a 29 February that is none. */
function yearsLater(day: CalendarDate): string {
  const year = Number(day.slice(0, 4)) + YEARS_MAX;
  return year > 9999 ? LAST_DAY : `${String(year).padStart(4, '0')}${day.slice(4)}`;
}

/** As the ledger tells it, whose account it would be. */
export function accountNotFound(id: string): Problem {
  return problem('ledger.account_not_found', `There is no account ${id}.`);
}

function currenciesDiffer(a: AccountLook, b: AccountLook): Problem {
  const detail = `${a.id} is in ${a.currency}, ${b.id} in ${b.currency}.`;
  return problem('consolidation.currencies_differ', detail);
}

function tooManyAccounts(kind: string): Problem {
  return problem(
    'consolidation.too_many_accounts',
    `There are more than ${ACCOUNTS_MAX} accounts of kind ${kind}.`,
  );
}
