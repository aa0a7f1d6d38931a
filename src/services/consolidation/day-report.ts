/** The days of a range, those without movement included, of one account or of several together; and how they are written. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { type CalendarDate, dayAfter } from './business-day.ts';
import type { Day } from './day.ts';

export interface ReportedDay {
  readonly date: CalendarDate;
  readonly openingMinor: bigint;
  readonly creditsMinor: bigint;
  readonly debitsMinor: bigint;
  readonly count: bigint;
  readonly closingMinor: bigint;
  /** 0: nothing moved, the balance is that of the day before. */
  readonly version: number;
  readonly sealed: boolean;
  /** When its version was made, or that of the day which it has its balance of; null before the first posting. */
  readonly asOf: EpochMs | null;
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

/** `rows` ascending, with the last one before the range if there is one. */
export function daysBetween(
  rows: readonly Day[],
  { from, to }: { readonly from: CalendarDate; readonly to: CalendarDate },
): ReportedDay[] {
  const byDay = new Map(rows.map((row) => [row.day, row]));
  let last = rows[0] !== undefined && rows[0].day < from ? rows[0] : undefined;
  const days: ReportedDay[] = [];
  // By number: the day after 9999-12-31 is written with a sign, which sorts before every digit.
  const end = Date.parse(to);
  for (let date = from; Date.parse(date) <= end; date = dayAfter(date)) {
    const row = byDay.get(date);
    days.push(row === undefined ? restingDay(date, last) : movingDay(row));
    last = row ?? last;
  }
  return days;
}

function movingDay(row: Day): ReportedDay {
  const { day, openingMinor, creditsMinor, debitsMinor, count, closingMinor, version, asOf, sealedAt } = row;
  const sealed = sealedAt !== null;
  return {
    date: day,
    openingMinor,
    creditsMinor,
    debitsMinor,
    count,
    closingMinor,
    version,
    sealed,
    asOf,
  };
}

function restingDay(date: CalendarDate, last: Day | undefined): ReportedDay {
  const carriedMinor = last?.closingMinor ?? 0n;
  return {
    date,
    openingMinor: carriedMinor,
    creditsMinor: 0n,
    debitsMinor: 0n,
    count: 0n,
    closingMinor: carriedMinor,
    version: 0,
    sealed: false,
    asOf: last?.asOf ?? null,
  };
}

/**
 * Day by day the sums of several accounts of one currency. Their versions add up, so that the sum's rises whenever one does;
 * sealed is what has moved and is sealed in each account where it has.
 */
export function sumOfReports(reports: readonly (readonly ReportedDay[])[]): ReportedDay[] {
  const [first = [], ...others] = reports;
  return first.map((day, index) =>
    others.reduce((sum, other) => addDay(sum, other[index] as ReportedDay), day),
  );
}

function addDay(a: ReportedDay, b: ReportedDay): ReportedDay {
  return {
    date: a.date,
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

/** The members of an array, as JSON. Sums are written whole, however many digits they have. */
export function renderJson(days: readonly ReportedDay[]): string {
  return days.map(renderDay).join(',');
}

export function renderDay(day: ReportedDay): string {
  const asOf = day.asOf === null ? 'null' : `"${toRfc3339(day.asOf)}"`;
  return (
    `{"date":"${day.date}","opening":${day.openingMinor},"credits":${day.creditsMinor},"debits":${day.debitsMinor},` +
    `"count":${day.count},"closing":${day.closingMinor},"version":${day.version},"sealed":${day.sealed},"as_of":${asOf}}`
  );
}

/** RFC 4180, with a header row. */
export function renderCsv(days: readonly ReportedDay[]): string {
  const lines = days.map((day) =>
    [
      day.date,
      day.openingMinor,
      day.creditsMinor,
      day.debitsMinor,
      day.count,
      day.closingMinor,
      day.version,
      day.sealed,
      day.asOf === null ? '' : toRfc3339(day.asOf),
    ].join(','),
  );
  return [COLUMNS.join(','), ...lines, ''].join('\r\n');
}

/** A version of a day, as JSON: its figures, what made it, and the hash of its postings. */
export function renderVersion(row: Day): string {
  const day = renderDay(movingDay(row)).slice(0, -1);
  const sealedAt = row.sealedAt === null ? 'null' : `"${toRfc3339(row.sealedAt)}"`;
  return `${day},"sealed_at":${sealedAt},"hash":"${row.hash}","cause":${JSON.stringify(row.cause)}}`;
}
