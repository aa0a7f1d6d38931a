import { expect, test } from 'vitest';
import { isReason, MAX_REASON_LENGTH } from './reason.ts';

test.each([
  'x',
  ' seen ',
  'não',
  '💶',
  'a\u200bb',
  '.',
  'x'.repeat(MAX_REASON_LENGTH),
  '💶'.repeat(MAX_REASON_LENGTH),
])('%j is a reason', (text) => {
  expect(isReason(text)).toBe(true);
});

test.each([
  '',
  '   ',
  '\t\n',
  '\u00a0',
  '\u200b',
  '\ufeff\u2060',
  '\u3164',
  '\u2800',
  '\u00ad',
  'x'.repeat(MAX_REASON_LENGTH + 1),
])('%j is none', (text) => {
  expect(isReason(text)).toBe(false);
});
