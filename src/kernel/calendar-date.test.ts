import { expect, test } from 'vitest';
import { calendarDateIn } from './calendar-date.ts';

test.each([
  ['America/Sao_Paulo', '2026-11-20T02:59:59.999Z', '2026-11-19'],
  ['America/Sao_Paulo', '2026-11-20T03:00:00.000Z', '2026-11-20'],
  ['UTC', '2026-11-19T23:59:59.999Z', '2026-11-19'],
  ['UTC', '2026-11-20T00:00:00.000Z', '2026-11-20'],
  ['Pacific/Kiritimati', '2026-11-19T10:00:00.000Z', '2026-11-20'],
  ['Pacific/Kiritimati', '2026-11-19T09:59:59.999Z', '2026-11-19'],
  // In summer a day of Lisbon begins at 23:00 UTC, after the clock change at midnight.
  ['Europe/Lisbon', '2026-03-28T23:59:59.999Z', '2026-03-28'],
  ['Europe/Lisbon', '2026-03-29T23:00:00.000Z', '2026-03-30'],
  ['Europe/Lisbon', '2026-10-24T23:00:00.000Z', '2026-10-25'],
  ['Europe/Lisbon', '2026-10-25T23:59:59.999Z', '2026-10-25'],
])('F6: in %s it is at %s the day %s', (zone, at, day) => {
  expect(calendarDateIn(zone, Date.parse(at))).toBe(day);
});
