/** Which day it is where somebody is: the calendar date of an instant in an IANA time zone. */
import type { EpochMs } from './clock.ts';

/** By zone. There are some 600, and one costs 30 µs to make. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** `2026-11-20`. Throws RangeError for a zone that is none. */
export function calendarDateIn(timeZone: string, at: EpochMs): string {
  let format = formats.get(timeZone);
  if (format === undefined) {
    // Swedish writes dates as ISO 8601 does.
    format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' });
    formats.set(timeZone, format);
  }
  return format.format(at);
}
