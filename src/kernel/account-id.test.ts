import { expect, test } from 'vitest';
import { isAccountId } from './account-id.ts';

test.each(['a', '0', 'wal-1234', 'ABC.def:9-', '2026:BRL', 'a__b', 'a--', 'x'.repeat(64)])(
  '%j is an account id',
  (text) => {
    expect(isAccountId(text)).toBe(true);
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
  expect(isAccountId(text)).toBe(false);
});
