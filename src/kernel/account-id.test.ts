import { expect, test } from 'vitest';
import { ACCOUNT_ID_PATTERN } from './account-id.ts';

const ACCOUNT_ID = new RegExp(ACCOUNT_ID_PATTERN, 'u');

test.each(['a', '0', 'wal-1234', 'ABC.def:9-', '2026:BRL', 'a__b', 'a--', 'x'.repeat(64)])(
  '%j is an account id',
  (text) => {
    expect(text).toMatch(ACCOUNT_ID);
  },
);

test.each([
  '',
  'x'.repeat(65),
  '-wal',
  '.hidden',
  ':a',
  '_a',
  'a b',
  'a/b',
  'a~b',
  'a\n',
  '\na',
  'a\0',
  'ção',
  'ａ',
])('%j is none', (text) => {
  expect(text).not.toMatch(ACCOUNT_ID);
});
