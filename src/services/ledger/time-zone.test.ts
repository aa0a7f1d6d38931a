import { expect, test } from 'vitest';
import { isTimeZone } from './time-zone.ts';

test.each(Intl.supportedValuesOf('timeZone'))('%s is a time zone', (name) => {
  expect(isTimeZone(name)).toBe(true);
});

test.each([
  'UTC',
  'EST',
  'CET',
  'GMT+0',
  'W-SU',
  'NZ-CHAT',
  'US/Pacific',
  'Etc/GMT+5',
  'Asia/Kolkata',
  'Europe/Kyiv',
])('the alias %s is a time zone', (name) => {
  expect(isTimeZone(name)).toBe(true);
});

// PostgreSQL takes IST for Israel's and CST for six hours behind UTC all year, and knows no VST and no SystemV.
test.each([
  'IST',
  'CST',
  'PST',
  'BST',
  'VST',
  'SystemV/PST8',
  'us/pacific',
  'pst8pdt',
  'Est',
  '-03:00',
  'Mars/Base',
  '',
])('%s is none: others than Intl mean another by it, or know no such zone', (name) => {
  expect(isTimeZone(name)).toBe(false);
});
