import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePreferWait } from './prefer-wait.ts';

test.each([
  ['wait=1', 1],
  ['wait=30', 30],
  ['Wait=10', 10],
  ['wait = 10', 10],
  ['wait="10"', 10],
  ['respond-async, wait=10', 10],
  ['wait=10, respond-async', 10],
  ['wait=10; x=1', 10],
  ['wait=5, wait=10', 5],
  ['return=minimal; foo="a,wait=5", wait=3', 3],
  [String.raw`foo="a\",wait=5", wait=3`, 3],
])('Prefer: %s waits %i s', (header, waitS) => {
  expect(parsePreferWait(header)).toBe(waitS);
});

test.each([
  'wait=0',
  'wait=31',
  'wait=-1',
  'wait=1.5',
  'wait=',
  'wait',
  'wait=x',
  'wait=99999',
  'waiting=5',
  'x-wait=5',
  '',
  'wait=x, wait=5',
  'foo="a, wait=5',
])('Prefer: %s is ignored (RFC 7240 §2)', (header) => {
  expect(parsePreferWait(header)).toBeUndefined();
});

test('several headers are one list', () => {
  expect(parsePreferWait(['respond-async', 'wait=3'])).toBe(3);
  expect(parsePreferWait(undefined)).toBeUndefined();
});

test('no header whatever makes it throw, or wait longer than it may', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^wait ?= ?"?\d{0,5}"?.?$/)), (header) => {
      const waitS = parsePreferWait(header) ?? 1;
      expect(waitS).toBeGreaterThanOrEqual(1);
      expect(waitS).toBeLessThanOrEqual(30);
    }),
  );
});
