import type { EpochMs } from '#kernel/clock.ts';

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const DATE_TIME =
  /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:[Zz]|[+-](\d{2}):(\d{2}))$/;

/** Whether a text is a day that a date column holds: PostgreSQL has no year 0. */
export function isCalendarDate(text: string): boolean {
  return !text.startsWith('0000') && isFullDate(text);
}

/** Whether a text is a day of the Gregorian calendar, `2026-02-29` not being one (RFC 3339 §5.6 `full-date`). */
function isFullDate(text: string): boolean {
  const [, year, month, day] = DATE.exec(text) ?? [];
  if (year === undefined || month === undefined || day === undefined) return false;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
}

/** Whether a text is an instant with its offset (RFC 3339 §5.6 `date-time`); leap seconds are not, PostgreSQL has none. */
export function isRfc3339(text: string): boolean {
  const [, date, hour, minute, second, offsetHour = '0', offsetMinute = '0'] = DATE_TIME.exec(text) ?? [];
  return (
    date !== undefined &&
    isFullDate(date) &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60 &&
    Number(offsetHour) < 24 &&
    Number(offsetMinute) < 60
  );
}

/** What RFC 3339 can write: years of four digits. PostgreSQL has no year 0. */
export const WRITABLE_INSTANTS: { readonly first: EpochMs; readonly last: EpochMs } = {
  first: Date.parse('0001-01-01T00:00:00.000Z'),
  last: Date.parse('9999-12-31T23:59:59.999Z'),
};

/**
 * The instant of a checked text (`isRfc3339`), in whole milliseconds as everything is stored, so cutting the rest off moves
 * none across it. An offset can carry it out of what can be written back; there is nothing out there.
 */
export function parseInstant(text: string): EpochMs {
  const { first, last } = WRITABLE_INSTANTS;
  return Math.min(last, Math.max(first, Date.parse(text)));
}
