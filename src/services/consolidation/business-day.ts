/**
 * Which calendar day an instant is on in a time zone, and when a day ends there. Days have 23 and 25 hours where clocks
 * change, and a few never were (Kiritimati, 31 December 1994).
 *
 * `Intl` answers in 2 µs and a batch asks for thousands of instants, so the offset of a quarter of an hour is remembered; a
 * quarter within which it changes (Newfoundland did so at 00:01) is asked for anew.
 */
import type { EpochMs } from '#kernel/clock.ts';

/** `2026-01-31`. */
export type CalendarDate = string;

/** Of calendar dates, which are apart by as much whatever clocks do. */
export const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
/** Zones are at most 14 hours ahead of UTC and 12 behind, and no clock has ever changed by more than 24. */
const FARTHEST_MS = 40 * 3_600_000;
/** Quarters of one zone, ten days of them; and ends of days. */
const REMEMBERED_MAX = 1_000;

class Zone {
  readonly #format: Intl.DateTimeFormat;
  /** By quarter: undefined where it changes within. */
  readonly #offsets = new Map<number, number | undefined>();
  readonly #ends = new Map<CalendarDate, EpochMs>();

  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-u-ca-iso8601', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  offsetMs(at: EpochMs): number {
    const quarter = Math.floor(at / QUARTER_MS);
    if (!this.#offsets.has(quarter)) this.#remember(quarter);
    return this.#offsets.get(quarter) ?? this.#askOffset(at);
  }

  /** Of the days that sealing looks at nearly all are one. */
  endOf(day: CalendarDate): EpochMs {
    const known = this.#ends.get(day);
    if (known !== undefined) return known;
    if (this.#ends.size >= REMEMBERED_MAX) this.#ends.clear();
    const end = this.#findEnd(day);
    this.#ends.set(day, end);
    return end;
  }

  #findEnd(day: CalendarDate): EpochMs {
    const nominal = Date.parse(day) + DAY_MS;
    let [before, after] = [nominal - FARTHEST_MS, nominal + FARTHEST_MS];
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (dateOf(middle + this.offsetMs(middle)) > day) after = middle;
      else before = middle;
    }
    return after;
  }

  #remember(quarter: number): void {
    if (this.#offsets.size >= REMEMBERED_MAX) this.#offsets.clear();
    const first = this.#askOffset(quarter * QUARTER_MS);
    const last = this.#askOffset((quarter + 1) * QUARTER_MS - 1);
    this.#offsets.set(quarter, first === last ? first : undefined);
  }

  #askOffset(at: EpochMs): number {
    const parts = new Map(this.#format.formatToParts(at).map(({ type, value }) => [type, value]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
    const local = new Date(0);
    local.setUTCFullYear(part('year'), part('month') - 1, part('day'));
    local.setUTCHours(part('hour'), part('minute'), part('second'));
    return local.getTime() - Math.floor(at / 1000) * 1000;
  }
}

/** Some 600 names at most, found good when their account was opened. */
const zones = new Map<string, Zone>();

function zoneOf(name: string): Zone {
  let zone = zones.get(name);
  if (zone === undefined) zones.set(name, (zone = new Zone(name)));
  return zone;
}

/** The day of an instant in a zone. */
export function dayAt(at: EpochMs, timeZone: string): CalendarDate {
  return dateOf(at + zoneOf(timeZone).offsetMs(at));
}

/** The first instant after a day; of a day that never was, when it would have been. */
export function endOf(day: CalendarDate, timeZone: string): EpochMs {
  return zoneOf(timeZone).endOf(day);
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;
/** Years have four digits (RFC 3339). */
const YEAR_MAX = 9999;
const TWO_DIGITS = Array.from({ length: 32 }, (_, number) => String(number).padStart(2, '0'));

/** Ascending, both included. Counted without `Date`, which takes 100 µs for a year (3 so): every report asks for them. */
export function datesBetween(from: CalendarDate, to: CalendarDate): CalendarDate[] {
  const dates: CalendarDate[] = [];
  let [year = 0, month = 0, day = 0] = from.split('-').map(Number);
  for (; year <= YEAR_MAX; year++, month = 1) {
    for (; month <= 12; month++, day = 1) {
      const before = `${String(year).padStart(4, '0')}-${TWO_DIGITS[month]}-`;
      for (const last = daysIn(year, month); day <= last; day++) {
        const date = `${before}${TWO_DIGITS[day]}`;
        if (date > to) return dates;
        dates.push(date);
      }
    }
  }
  return dates;
}

function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : (MONTH_DAYS[month - 1] as number);
}

/** The last one asked for: of a batch's postings nearly all are of one day. */
let lastDate = { day: Number.NaN, text: '' };

function dateOf(local: number): CalendarDate {
  const day = Math.floor(local / DAY_MS);
  if (day !== lastDate.day) lastDate = { day, text: new Date(day * DAY_MS).toISOString().slice(0, 10) };
  return lastDate.text;
}
