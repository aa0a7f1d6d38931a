/**
 * The texts of reports: given again as long as nothing has changed, and otherwise made of what has.
 *
 * RT1: a text is given as it was made only at the change of its accounts that it was made at, whoever has changed them since.
 * RT2: a text that is made anew begins with that of before, up to the last day that had a row then, if no day of that part is
 *      another one. That is asked by the statement that reads the days behind it: all of a text is of one moment.
 * RT3: a text that several ask for at once is made once.
 *
 * Whether earlier days have changed could also stand in a column beside the number of the change; then everybody who writes
 * days would have to keep it, and older programs beside this one do not. A hash over a year's rows believes nobody.
 */
import type { RowFormat } from '#platform/http/row-format.ts';
import type { CalendarDate } from './business-day.ts';
import { daysBetween, HEADERS, type ReportedDay, renderReport, sumOfReports } from './day-report.ts';
import { nameText } from './posting.ts';
import type { AccountLook, DayRange, DayReads, FoundDays } from './reads.ts';
import type { Report, ReportCache } from './report-cache.ts';

export interface AskedText {
  readonly accounts: readonly AccountLook[];
  /** Which changes of which accounts. */
  readonly stamp: string;
  readonly range: DayRange;
  readonly format: RowFormat;
}

export class ReportTexts {
  readonly #reads: DayReads;
  readonly #cache: ReportCache;
  readonly #making = new Map<string, Promise<Report>>();

  constructor(reads: DayReads, cache: ReportCache) {
    this.#reads = reads;
    this.#cache = cache;
  }

  async find(asked: AskedText): Promise<Buffer> {
    const { stamp, range, format, accounts } = asked;
    const key = [format, range.from, range.to, ...accounts.map(nameText)].join(' ');
    const kept = this.#cache.find(key);
    if (kept?.stamp === stamp) return kept.text; // RT1
    const made = `${key} ${stamp}`;
    let making = this.#making.get(made);
    if (making === undefined) {
      making = this.#make(asked, key, kept).finally(() => this.#making.delete(made));
      this.#making.set(made, making); // RT3
    }
    return (await making).text;
  }

  async #make(asked: AskedText, key: string, kept: Report | undefined): Promise<Report> {
    const report = (await this.#goOn(asked, kept)) ?? (await this.#begin(asked));
    this.#cache.keep(key, report);
    return report;
  }

  /** RT2: undefined if nothing is there to go on from. */
  async #goOn(asked: AskedText, kept: Report | undefined): Promise<Report | undefined> {
    const nextDay = unsettledFrom(asked);
    if (kept?.settled === undefined || kept.settled.nextDay !== nextDay) return undefined;
    const { head, mark } = kept.settled;
    const found = await this.#read(asked, nextDay);
    return found.mark === mark ? reportOf(asked, found, { head, from: nextDay }) : undefined;
  }

  async #begin(asked: AskedText): Promise<Report> {
    const { from } = asked.range;
    return reportOf(asked, await this.#read(asked, from), { head: Buffer.from(HEADERS[asked.format]), from });
  }

  /** Read after the stamp: as new as it, or newer, and then it is made anew the next time. */
  async #read(asked: AskedText, from: CalendarDate): Promise<FoundDays> {
    const { accounts, range } = asked;
    const keys = accounts.flatMap(({ key }) => key ?? []);
    if (keys.length === 0) return NOTHING_COUNTED;
    const before = unsettledFrom(asked);
    const settled = before === undefined ? undefined : { from: range.from, before };
    return this.#reads.listDays({ keys, from, to: range.to, settled });
  }
}

const NOTHING_COUNTED: FoundDays = { byAccount: [], mark: undefined };

/** Of one account the last day of the range that has a row, or its end: what changes mostly changes behind it. */
function unsettledFrom({ accounts, range: { from, to } }: AskedText): CalendarDate | undefined {
  const [account] = accounts;
  if (account === undefined || account.lastDay === null || accounts.length > 1) return undefined;
  const { lastDay } = account;
  return lastDay < from ? from : lastDay > to ? to : lastDay;
}

/** Of each account; of none, days on which nothing moves. `byAccount`: of those that anything may be counted of, in their order. */
function reportsOf(
  accounts: readonly AccountLook[],
  byAccount: FoundDays['byAccount'],
  range: DayRange,
): ReportedDay[][] {
  if (accounts.length === 0) return [daysBetween([], { ...range, openedAt: null })];
  const rows = byAccount.values();
  return accounts.map(({ key, openedAt }) =>
    daysBetween(key === undefined ? [] : (rows.next().value ?? []), { ...range, openedAt }),
  );
}

/** `head`: what is written of the days before `from`. */
function reportOf(
  asked: AskedText,
  { byAccount, mark }: FoundDays,
  { head, from }: { readonly head: Buffer; readonly from: CalendarDate },
): Report {
  const { stamp, range, format } = asked;
  const nextDay = unsettledFrom(asked);
  const days = sumOfReports(reportsOf(asked.accounts, byAccount, { from, to: range.to }));
  const { text, tailAt } = renderReport(days, { format, tailFrom: nextDay ?? from });
  const whole = Buffer.allocUnsafeSlow(head.length + text.length); // of its own: a small one would keep a pool's slab
  head.copy(whole);
  whole.write(text, head.length, 'latin1');
  const settledBytes = head.length + tailAt;
  return {
    stamp,
    text: whole,
    settled:
      nextDay === undefined || mark === undefined
        ? undefined
        : { head: whole.subarray(0, settledBytes), nextDay, mark },
  };
}
