import { describe, expect, test } from 'vitest';
import { CURRENCIES, type Currency, exponentOf, isCurrency } from './currencies.ts';
import { InvariantViolation } from './fault.ts';

/** ISO 4217 codes whose minor unit is "N.A.": 13 of the 178 of list one. */
const WITHOUT_MINOR_UNIT = 'XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX'.split(' ');
/** Withdrawn since 2013, and the oldest that people still type. */
const WITHDRAWN = 'ANG BGN BYR CUC DEM HRK LTL LVL MRO SLL STD USS VEF ZMK ZWL'.split(' ');

function exponentOfCode(code: string): number | undefined {
  return isCurrency(code) ? exponentOf(code) : undefined;
}

describe('the currency table', () => {
  test('is list one of ISO 4217 without the codes that have no minor unit', () => {
    expect(CURRENCIES).toHaveLength(178 - WITHOUT_MINOR_UNIT.length);
    expect(new Set(CURRENCIES).size).toBe(CURRENCIES.length);
    expect(CURRENCIES.every((code) => /^[A-Z]{3}$/.test(code))).toBe(true);
    expect(WITHOUT_MINOR_UNIT.filter(isCurrency)).toEqual([]);
    expect(WITHDRAWN.filter(isCurrency)).toEqual([]);
  });

  test.each([
    ['USD', 2],
    ['BRL', 2],
    ['EUR', 2],
    ['ARS', 2],
    ['MXN', 2],
    ['COP', 2],
    ['HUF', 2],
    ['MGA', 2],
    ['MRU', 2],
    ['CLP', 0],
    ['PYG', 0],
    ['JPY', 0],
    ['KRW', 0],
    ['VND', 0],
    ['XAF', 0],
    ['XOF', 0],
    ['ISK', 0],
    ['UGX', 0],
    ['UYI', 0],
    ['BHD', 3],
    ['IQD', 3],
    ['JOD', 3],
    ['KWD', 3],
    ['LYD', 3],
    ['OMR', 3],
    ['TND', 3],
    ['CLF', 4],
    ['UYW', 4],
  ])('%s has %i decimal places', (code, exponent) => {
    expect(exponentOfCode(code)).toBe(exponent);
  });

  test('has no code that the runtime does not know, but for funds and the newest two', () => {
    // The runtime's list is CLDR's, which has no funds. Its decimal places are no oracle: they are those people write.
    const expected = new Set('BOV CHE CHW CLF COU MXV USN UYI UYW VED XAD'.split(' '));
    const known = new Set(Intl.supportedValuesOf('currency'));
    expect(CURRENCIES.filter((code) => !known.has(code) && !expected.has(code))).toEqual([]);
  });

  test.each(['usd', 'US', 'USDD', '', ' USD', 'EURO', 'toString', '__proto__'])(
    '%j is no currency',
    (text) => {
      expect(isCurrency(text)).toBe(false);
    },
  );

  test('the exponent of what is no currency is our mistake', () => {
    expect(() => exponentOf('XXX' as Currency)).toThrow(InvariantViolation);
  });
});
