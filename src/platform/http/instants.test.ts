import { expect, test } from 'vitest';
import { isCalendarDate, isRfc3339, parseInstant } from './instants.ts';

test.each(['2026-01-31', '2024-02-29', '2000-02-29', '0099-12-31', '9999-12-31'])('%s is a day', (text) => {
  expect(isCalendarDate(text)).toBe(true);
});

test.each([
  '2026-02-29',
  '1900-02-29',
  '2026-13-01',
  '2026-00-10',
  '2026-01-00',
  '2026-1-1',
  '26-01-01',
  '2026-01-01 ',
  '',
])('%j is none', (text) => {
  expect(isCalendarDate(text)).toBe(false);
});

test.each([
  '2026-01-31T23:59:59Z',
  '2026-01-31t00:00:00z',
  '2026-01-31T00:00:00.123456789-03:00',
  '2026-01-31T00:00:00+14:00',
])('%s is an instant', (text) => {
  expect(isRfc3339(text)).toBe(true);
});

test.each([
  '2026-01-31',
  '2026-01-31T24:00:00Z',
  '2026-01-31T00:60:00Z',
  '2026-01-31T23:59:60Z',
  '2026-01-31T00:00:00',
  '2026-01-31T00:00:00+24:00',
  '2026-01-31T00:00:00.Z',
  '2026-02-30T00:00:00Z',
  '2026-01-31 00:00:00Z',
])('%s is none', (text) => {
  expect(isRfc3339(text)).toBe(false);
});

test.each([
  ['2026-01-31T00:00:00.123456789-03:00', '2026-01-31T03:00:00.123Z'],
  ['0000-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ['0001-01-01T00:00:00+23:59', '0001-01-01T00:00:00.000Z'],
  ['9999-12-31T23:59:59-23:59', '9999-12-31T23:59:59.999Z'],
])('%s is read as %s, which PostgreSQL stores and RFC 3339 writes', (text, instant) => {
  expect(isRfc3339(text)).toBe(true);
  expect(new Date(parseInstant(text)).toISOString()).toBe(instant);
});
