import { describe, expect, test } from 'vitest';
import { type DayOfReport, daysBetween, HEADERS, renderReport, sumOfReports } from './day-report.ts';
import { etagOf, isHeld } from './report-etag.ts';

const AT = '2026-11-03T10:00:00.000Z';

function row(day: string, figures: Partial<DayOfReport>): DayOfReport {
  return {
    day,
    version: 1,
    openingMinor: 0n,
    creditsMinor: 0n,
    debitsMinor: 0n,
    count: 1n,
    closingMinor: 0n,
    asOf: AT,
    sealed: false,
    ...figures,
  };
}

const OPENED_AT = Date.UTC(2026, 8, 30);

const ROWS = [
  row('2026-10-01', { creditsMinor: 5n, closingMinor: 5n, sealed: true }),
  row('2026-11-02', { openingMinor: 5n, debitsMinor: 7n, closingMinor: -2n, version: 3, sealed: true }),
];

test('F1: a range ends with its last day, though that is the last day which can be written', () => {
  const days = daysBetween(ROWS.slice(1), { from: '9999-12-30', to: '9999-12-31', openedAt: null });
  expect(days.map(({ date, figures }) => [date, figures.closingMinor])).toEqual([
    ['9999-12-30', -2n],
    ['9999-12-31', -2n],
  ]);
});

test('F1: a day without movement carries the balance, with version 0', () => {
  const days = daysBetween(ROWS, { from: '2026-11-01', to: '2026-11-03', openedAt: OPENED_AT });
  expect(
    days.map(({ date, figures: { openingMinor, closingMinor, version, sealed } }) => [
      date,
      openingMinor,
      closingMinor,
      version,
      sealed,
    ]),
  ).toEqual([
    ['2026-11-01', 5n, 5n, 0, false],
    ['2026-11-02', 5n, -2n, 3, true],
    ['2026-11-03', -2n, -2n, 0, false],
  ]);
});

test('F6: before the first posting a figure is as old as the account, if that is known', () => {
  const ages = (rows: readonly DayOfReport[], openedAt: number | null) =>
    daysBetween(rows, { from: '2026-11-01', to: '2026-11-03', openedAt }).map(({ figures }) => figures.asOf);
  const opened = '2026-09-30T00:00:00.000Z';
  expect(ages(ROWS.slice(1), OPENED_AT)).toEqual([opened, AT, AT]);
  expect(ages([], OPENED_AT)).toEqual([opened, opened, opened]);
  expect(ages([], null)).toEqual([null, null, null]);
});

test('F7: CSV has the columns of the JSON under a header row', () => {
  const days = daysBetween(ROWS, { from: '2026-11-02', to: '2026-11-02', openedAt: OPENED_AT });
  const csv = renderReport(days, { format: 'csv', tailFrom: '2026-11-02' });
  expect(HEADERS.csv + csv.text).toBe(
    'date,opening,credits,debits,count,closing,version,sealed,as_of\r\n' +
      '2026-11-02,5,0,7,1,-2,3,true,2026-11-03T10:00:00.000Z\r\n',
  );
  const json = renderReport(days, { format: 'json', tailFrom: '2026-11-02' });
  expect(JSON.parse(`[${json.text}]`)).toEqual([
    {
      date: '2026-11-02',
      opening: 5,
      credits: 0,
      debits: 7,
      count: 1,
      closing: -2,
      version: 3,
      sealed: true,
      as_of: '2026-11-03T10:00:00.000Z',
    },
  ]);
});

describe('F3: a report that is gone on with from any of its days is the same text', () => {
  const range = { from: '2026-09-30', to: '2026-11-04', openedAt: OPENED_AT };
  const days = daysBetween(ROWS, range);
  test.each(['json', 'csv'] as const)('%s', (format) => {
    const whole = renderReport(days, { format, tailFrom: range.from });
    expect(whole.tailAt).toBe(0);
    for (const [index, { date }] of days.entries()) {
      const { text, tailAt } = renderReport(days, { format, tailFrom: date });
      expect(text).toBe(whole.text);
      const rest = renderReport(days.slice(index), { format, tailFrom: date });
      expect(text.slice(0, tailAt) + rest.text).toBe(whole.text);
    }
  });
});

test('a sum is sealed where each account that moved is', () => {
  const range = { from: '2026-11-02', to: '2026-11-04', openedAt: OPENED_AT };
  const other = daysBetween([row('2026-11-03', { creditsMinor: 1n, closingMinor: 1n })], range);
  const sum = sumOfReports([daysBetween(ROWS, range), other]);
  expect(sum.map(({ figures }) => figures)).toMatchObject([
    { openingMinor: 5n, closingMinor: -2n, version: 3, sealed: true },
    { openingMinor: -2n, closingMinor: -1n, creditsMinor: 1n, count: 1n, version: 1, sealed: false },
    { openingMinor: -1n, closingMinor: -1n, count: 0n, version: 0, sealed: false },
  ]);
});

test.each([
  [undefined, false],
  ['*', true],
  ['W/"7.json"', true],
  ['"7.json"', true],
  ['"6.json", W/"7.json"', true],
  ['W/"7.csv"', false],
])('If-None-Match %s is held: %s', (header, held) => {
  expect(isHeld(header, etagOf('7', 'json'))).toBe(held);
});
