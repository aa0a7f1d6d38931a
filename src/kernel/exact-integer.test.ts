import { expect, test } from 'vitest';
import { integerOf, parseExactly, renderInteger } from './exact-integer.ts';

const MAX = 2n ** 53n - 1n;

test.each([0n, -1n, MAX - 1n, MAX, MAX + 1n, MAX * 3n, -MAX, -MAX - 1n, 2n ** 63n - 1n])(
  '%s is written and read digit by digit',
  (value) => {
    const text = JSON.stringify({ sum: renderInteger(value) });
    expect(text).toBe(`{"sum":${value}}`);
    const { sum } = parseExactly(text) as { sum: unknown };
    expect(integerOf(sum)).toBe(value);
    expect(JSON.stringify({ sum })).toBe(text);
  },
);

test('what a number holds is one', () => {
  expect(renderInteger(MAX)).toBe(Number(MAX));
  expect(parseExactly(`[${MAX}, "${MAX}9", 0.1234567890123456, 1e30]`)).toEqual([
    Number(MAX),
    `${MAX}9`,
    0.1234567890123456,
    1e30,
  ]);
});

test.each([undefined, null, '1', 1.5, 2 ** 53, Number.NaN, {}, { rawJSON: '1' }])(
  '%s is no exact integer',
  (value) => {
    expect(integerOf(value)).toBeUndefined();
  },
);

test('what is no JSON is none', () => {
  expect(() => parseExactly('12345678901234567,')).toThrow(SyntaxError);
});
