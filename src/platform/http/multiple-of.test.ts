import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isMultipleOf } from './multiple-of.ts';
import { createFaultFinder } from './validation.ts';

test.each([
  [0.07, 0.01, true],
  [19.99, 0.01, true],
  [-4.35, 0.05, true],
  [90_071_992_547_409.91, 0.01, true],
  [1.001, 0.01, false],
  [0.005, 0.01, false],
  [0, 0.01, true],
  [1e21, 1e-7, true],
  [1e300, 7, false],
  [5e-324, 1, false],
  [1.000_000_000_1, 1, false],
  [Infinity, 1, false],
])('%f as a multiple of %f: %s', (value, step, is) => {
  expect(isMultipleOf(value, step)).toBe(is);
});

test('every amount of cents is a multiple of a cent', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 53 - 1), max: 2 ** 53 - 1 }), (cents) => {
      expect(isMultipleOf(Number(`${cents}e-2`), 0.01)).toBe(true);
    }),
  );
});

test('a schema is held to it, and says what it asks for', () => {
  const faultsOf = createFaultFinder({ type: 'object', properties: { total: { multipleOf: 0.01 } } });
  expect(faultsOf({ total: 0.07 }, '')).toEqual([]);
  expect(faultsOf({ total: 'seven' }, '')).toEqual([]);
  expect(faultsOf({ total: 0.075 }, '')).toEqual([
    { pointer: '/total', code: 'invalid', detail: 'must be a multiple of 0.01' },
  ]);
  expect(() => createFaultFinder({ multipleOf: 0 })).toThrow('multipleOf');
});
