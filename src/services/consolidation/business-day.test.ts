import { describe, expect, test } from 'vitest';
import { datesBetween, dayAt, endOf } from './business-day.ts';

const HOUR_MS = 3_600_000;

function daysFrom(day: string, count: number): string {
  return new Date(Date.parse(day) + count * 24 * HOUR_MS).toISOString().slice(0, 10);
}

describe('F6: the day of an instant is the one of the account’s time zone', () => {
  test.each([
    ['America/Sao_Paulo', '2026-03-02T02:59:59.999Z', '2026-03-01'],
    ['America/Sao_Paulo', '2026-03-02T03:00:00.000Z', '2026-03-02'],
    // Summer time, until 2019: the clock was put forward from midnight to one o'clock.
    ['America/Sao_Paulo', '2018-11-04T02:59:59.999Z', '2018-11-03'],
    ['America/Sao_Paulo', '2018-11-04T03:00:00.000Z', '2018-11-04'],
    ['America/Sao_Paulo', '2018-11-05T01:59:59.999Z', '2018-11-04'],
    ['America/Sao_Paulo', '2018-11-05T02:00:00.000Z', '2018-11-05'],
    ['UTC', '2026-02-28T23:59:59.999Z', '2026-02-28'],
    ['UTC', '2026-03-01T00:00:00.000Z', '2026-03-01'],
    ['Europe/Lisbon', '2026-03-29T00:00:00.000Z', '2026-03-29'],
    ['Europe/Lisbon', '2026-03-29T22:59:59.999Z', '2026-03-29'],
    ['Europe/Lisbon', '2026-03-29T23:00:00.000Z', '2026-03-30'],
    ['Europe/Lisbon', '2026-10-24T22:59:59.999Z', '2026-10-24'],
    ['Europe/Lisbon', '2026-10-24T23:00:00.000Z', '2026-10-25'],
    ['Europe/Lisbon', '2026-10-25T23:59:59.999Z', '2026-10-25'],
    ['Europe/Lisbon', '2026-10-26T00:00:00.000Z', '2026-10-26'],
    ['Pacific/Kiritimati', '2026-12-30T09:59:59.999Z', '2026-12-30'],
    ['Pacific/Kiritimati', '2026-12-30T10:00:00.000Z', '2026-12-31'],
    // At 00:01 the clock went back to 23:01 of the day before, within a quarter of an hour.
    ['America/St_Johns', '2009-11-01T02:30:59.999Z', '2009-11-01'],
    ['America/St_Johns', '2009-11-01T02:31:00.000Z', '2009-10-31'],
    ['Asia/Kathmandu', '2026-01-01T18:14:59.999Z', '2026-01-01'],
    ['Asia/Kathmandu', '2026-01-01T18:15:00.000Z', '2026-01-02'],
  ])('%s at %s is %s', (zone, at, day) => {
    expect(dayAt(Date.parse(at), zone)).toBe(day);
  });
});

describe('F6: a day ends when the next one begins in its zone', () => {
  test.each([
    ['America/Sao_Paulo', '2026-03-01', '2026-03-02T03:00:00.000Z', 24],
    ['America/Sao_Paulo', '2018-11-04', '2018-11-05T02:00:00.000Z', 23],
    ['America/Sao_Paulo', '2019-02-16', '2019-02-17T03:00:00.000Z', 25],
    ['UTC', '2026-12-31', '2027-01-01T00:00:00.000Z', 24],
    ['Europe/Lisbon', '2026-03-29', '2026-03-29T23:00:00.000Z', 23],
    ['Europe/Lisbon', '2026-10-25', '2026-10-26T00:00:00.000Z', 25],
    ['Pacific/Kiritimati', '2026-12-31', '2026-12-31T10:00:00.000Z', 24],
  ])('%s %s at %s, after %i hours', (zone, day, end, hours) => {
    expect(new Date(endOf(day, zone)).toISOString()).toBe(end);
    expect(endOf(daysFrom(day, 1), zone) - endOf(day, zone)).toBe(24 * HOUR_MS);
    expect(endOf(day, zone) - endOf(daysFrom(day, -1), zone)).toBe(hours * HOUR_MS);
  });
});

test('every instant of a year is in the day that its hours bound', () => {
  for (const zone of ['Europe/Lisbon', 'Pacific/Kiritimati', 'America/Sao_Paulo']) {
    for (const day of datesBetween('2026-01-01', '2026-12-31')) {
      const end = endOf(day, zone);
      expect([dayAt(end - 1, zone), dayAt(end, zone)]).toEqual([day, daysFrom(day, 1)]);
    }
  }
});

describe('F7: the dates of a range', () => {
  test.each([
    ['2026-01-31', '2026-01-31'],
    ['2023-11-28', '2024-03-01'],
    ['2026-02-27', '2026-03-01'],
    ['1999-12-31', '2001-01-01'],
    ['1899-12-31', '1901-01-01'],
    ['0001-01-01', '0009-12-31'],
    ['9995-01-01', '9999-12-31'],
  ])('from %s to %s are those of the calendar', (from, to) => {
    const expected: string[] = [];
    for (let at = Date.parse(from); at <= Date.parse(to); at += 24 * HOUR_MS)
      expected.push(new Date(at).toISOString().slice(0, 10));
    expect(datesBetween(from, to)).toEqual(expected);
  });
});
