import { expect, test } from 'vitest';
import { listedFaults, MAX_FIELD_PROBLEMS } from './listed-faults.ts';

const fault = (pointer: string, detail = 'is wrong') => ({ pointer, code: 'invalid', detail });

test('the usual faults are told as they are, a hundred of them at most', () => {
  const faults = Array.from({ length: 101 }, (_, at) => fault(`/items/${at}/amount`));
  expect(listedFaults(faults)).toEqual(faults.slice(0, MAX_FIELD_PROBLEMS));
});

test.each([
  [2047, false],
  [2048, false],
  [2049, true],
])('a text of %d characters is cut: %s', (length, isCut) => {
  const text = 'x'.repeat(length);
  const [told] = listedFaults([fault(text, text)]);
  const shown = isCut ? `${'x'.repeat(2047)}…` : text;
  expect(told).toEqual(fault(shown, shown));
});

test('no letter is cut in halves, and what was cut is cut no more', () => {
  const [told] = listedFaults([fault('😀'.repeat(2000))]);
  expect(told?.pointer.isWellFormed()).toBe(true);
  expect(listedFaults([told ?? fault('')])).toEqual([told]);
});

test.each(['x', '€', '\u0001'])('all together stay short, whatever was sent: %j', (letter) => {
  const long = letter.repeat(1_000_000);
  const faults = Array.from({ length: 100 }, () => fault(`/${long}`, long));
  const listed = listedFaults(faults);
  expect(listed.length).toBeGreaterThan(0);
  expect(Buffer.byteLength(JSON.stringify(listed))).toBeLessThan(33_000);
});
