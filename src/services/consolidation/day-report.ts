/** The days of a range, those without movement included, of one account or of several together; and how they are written. */

import { type EpochMs, toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import type { RowFormat } from '#platform/http/row-format.ts';
import { type CalendarDate, datesBetween } from './business-day.ts';
import type { Day } from './day.ts';

export interface ReportedFigures {
  readonly openingMinor: bigint;
  readonly creditsMinor: bigint;
  readonly debitsMinor: bigint;
  readonly count: bigint;
  readonly closingMinor: bigint;
  /** 0: nothing moved, the balance is that of the day before. */
  readonly version: number;
  readonly sealed: boolean;
  /**
   * When its version was made, or that of the day which it has its balance of; before the first posting when the account was
   * opened, null if nobody knows. RFC 3339, with milliseconds: the later one is the greater text.
   */
  readonly asOf: string | null;
}

/** Days one behind the other that carry one balance have the same object of figures: it is added up and written once. */
export interface ReportedDay {
  readonly date: CalendarDate;
  readonly figures: ReportedFigures;
}

/** A day that has a row. */
export interface DayOfReport extends ReportedFigures {
  readonly day: CalendarDate;
}

export const COLUMNS = [
  'date',
  'opening',
  'credits',
  'debits',
  'count',
  'closing',
  'version',
  'sealed',
  'as_of',
] as const;

/** `rows` ascending, with the last one before the range if there is one; of an account that was opened then. */
export function daysBetween(
  rows: readonly DayOfReport[],
  {
    from,
    to,
    openedAt,
  }: { readonly from: CalendarDate; readonly to: CalendarDate; readonly openedAt: EpochMs | null },
): ReportedDay[] {
  let at = rows[0] !== undefined && rows[0].day < from ? 1 : 0;
  let resting = at === 0 ? restingSince(openedAt) : restingBehind(rows[0] as DayOfReport);
  return datesBetween(from, to).map((date) => {
    const row = rows[at];
    if (row?.day !== date) return { date, figures: resting };
    at++;
    resting = restingBehind(row);
    return { date, figures: row };
  });
}

function restingSince(openedAt: EpochMs | null): ReportedFigures {
  return carrying(0n, toRfc3339OrNull(openedAt));
}

function restingBehind({ closingMinor, asOf }: DayOfReport): ReportedFigures {
  return carrying(closingMinor, asOf);
}

function carrying(carriedMinor: bigint, asOf: string | null): ReportedFigures {
  return {
    openingMinor: carriedMinor,
    creditsMinor: 0n,
    debitsMinor: 0n,
    count: 0n,
    closingMinor: carriedMinor,
    version: 0,
    sealed: false,
    asOf,
  };
}

/**
 * Day by day the sums of several accounts of one currency. Their versions add up, so that the sum's rises whenever one does;
 * sealed is what has moved and is sealed in each account where it has.
 */
export function sumOfReports(reports: readonly (readonly ReportedDay[])[]): ReportedDay[] {
  const [first = [], ...others] = reports;
  return others.reduce<ReportedDay[]>(addReport, [...first]);
}

function addReport(sum: readonly ReportedDay[], other: readonly ReportedDay[]): ReportedDay[] {
  let last:
    | { readonly of: readonly [ReportedFigures, ReportedFigures]; readonly added: ReportedFigures }
    | undefined;
  return sum.map(({ date, figures }, index) => {
    const others = (other[index] as ReportedDay).figures;
    if (last?.of[0] !== figures || last.of[1] !== others)
      last = { of: [figures, others], added: addFigures(figures, others) };
    return { date, figures: last.added };
  });
}

function addFigures(a: ReportedFigures, b: ReportedFigures): ReportedFigures {
  return {
    openingMinor: a.openingMinor + b.openingMinor,
    creditsMinor: a.creditsMinor + b.creditsMinor,
    debitsMinor: a.debitsMinor + b.debitsMinor,
    count: a.count + b.count,
    closingMinor: a.closingMinor + b.closingMinor,
    version: a.version + b.version,
    sealed: (a.sealed || a.version === 0) && (b.sealed || b.version === 0) && a.version + b.version > 0,
    asOf: a.asOf === null || (b.asOf !== null && b.asOf > a.asOf) ? b.asOf : a.asOf,
  };
}

/** How days are written: each as `opening`, its date and its figures; `between` stands between two. ASCII alone. */
interface Rendering {
  readonly opening: string;
  readonly figures: (figures: ReportedFigures) => string;
  readonly between: string;
}

const RENDERINGS: Readonly<Record<RowFormat, Rendering>> = {
  /** The members of an array. Sums are written whole, however many digits they have. */
  json: { opening: '{"date":"', figures: jsonFigures, between: ',' },
  /** RFC 4180. */
  csv: { opening: '', figures: csvFigures, between: '' },
};

/** What stands before the first day. */
export const HEADERS: Readonly<Record<RowFormat, string>> = { json: '', csv: `${COLUMNS.join(',')}\r\n` };

export interface RenderedDays {
  readonly text: string;
  /** Where the first day from `tailFrom` on begins. */
  readonly tailAt: number;
}

/** `tailFrom`: one of the days. */
export function renderReport(
  days: readonly ReportedDay[],
  { format, tailFrom }: { readonly format: RowFormat; readonly tailFrom: CalendarDate },
): RenderedDays {
  const rendering = RENDERINGS[format];
  const start = days.findIndex(({ date }) => date === tailFrom);
  const before = renderDays(days.slice(0, start), rendering);
  const head = start === 0 ? '' : before + rendering.between;
  return { text: head + renderDays(days.slice(start), rendering), tailAt: head.length };
}

function renderDays(days: readonly ReportedDay[], { opening, figures: render, between }: Rendering): string {
  let text = '';
  let last: ReportedFigures | undefined;
  let rendered = '';
  for (const { date, figures } of days) {
    if (figures !== last) rendered = render(figures);
    text += `${last === undefined ? '' : between}${opening}${date}${rendered}`;
    last = figures;
  }
  return text;
}

function jsonFigures(of: ReportedFigures): string {
  const asOf = of.asOf === null ? 'null' : `"${of.asOf}"`;
  return (
    `","opening":${of.openingMinor},"credits":${of.creditsMinor},"debits":${of.debitsMinor},"count":${of.count},` +
    `"closing":${of.closingMinor},"version":${of.version},"sealed":${of.sealed},"as_of":${asOf}}`
  );
}

function csvFigures(of: ReportedFigures): string {
  const { openingMinor, creditsMinor, debitsMinor, count, closingMinor, version, sealed, asOf } = of;
  const values = [openingMinor, creditsMinor, debitsMinor, count, closingMinor, version, sealed, asOf];
  return `,${values.join(',')}\r\n`;
}

/** A version of a day, as JSON: its figures, what made it, and the hash of its postings. */
export function renderVersion(row: Day): string {
  const { day, sealedAt, hash, cause } = row;
  const figures = jsonFigures({ ...row, sealed: sealedAt !== null, asOf: toRfc3339(row.asOf) }).slice(0, -1);
  const at = sealedAt === null ? 'null' : `"${toRfc3339(sealedAt)}"`;
  return `{"date":"${day}${figures},"sealed_at":${at},"hash":"${hash}","cause":${JSON.stringify(cause)}}`;
}
