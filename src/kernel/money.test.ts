import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CURRENCIES, type Currency, exponentOf, isCurrency } from './currencies.ts';
import { InvariantViolation } from './fault.ts';
import {
  addMinor,
  formatMoney,
  isInMoneyRange,
  MAX_AMOUNT_MINOR,
  parseAmountMinor,
  renderAmount,
  subtractMinor,
  sumMinor,
} from './money.ts';

const minors = fc.bigInt({ min: -MAX_AMOUNT_MINOR, max: MAX_AMOUNT_MINOR });
const currencies = fc.constantFrom(...CURRENCIES);

function currencyOf(code: string): Currency {
  if (!isCurrency(code)) throw new RangeError(code);
  return code;
}

describe('checked arithmetic', () => {
  test.each([
    [MAX_AMOUNT_MINOR - 1n, 1n],
    [MAX_AMOUNT_MINOR, 0n],
    [MAX_AMOUNT_MINOR, -1n],
  ])('%i + %i is in range, on either side of zero', (a, b) => {
    expect(addMinor(a, b)).toBe(a + b);
    expect(subtractMinor(-a, b)).toBe(-a - b);
  });

  test('one more than 2^53 - 1 is a violation, on either side of zero', () => {
    expect(() => addMinor(MAX_AMOUNT_MINOR, 1n)).toThrow(InvariantViolation);
    expect(() => addMinor(-MAX_AMOUNT_MINOR, -1n)).toThrow(InvariantViolation);
    expect(() => subtractMinor(-MAX_AMOUNT_MINOR, 1n)).toThrow(InvariantViolation);
    expect(() => subtractMinor(MAX_AMOUNT_MINOR, -1n)).toThrow(InvariantViolation);
    expect(() => sumMinor([MAX_AMOUNT_MINOR, 1n])).toThrow(InvariantViolation);
  });

  test('is exact, or throws: never a rounded or wrapped result', () => {
    fc.assert(
      fc.property(minors, minors, (a, b) => {
        if (isInMoneyRange(a + b)) expect(addMinor(a, b)).toBe(a + b);
        else expect(() => addMinor(a, b)).toThrow(InvariantViolation);
        if (isInMoneyRange(a - b)) expect(subtractMinor(a, b)).toBe(a - b);
        else expect(() => subtractMinor(a, b)).toThrow(InvariantViolation);
      }),
    );
  });

  test('a sum may pass the limit on the way, as debits and credits of an entry do', () => {
    expect(sumMinor([MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR, -MAX_AMOUNT_MINOR])).toBe(MAX_AMOUNT_MINOR);
    expect(sumMinor([])).toBe(0n);
  });
});

describe('amounts on the wire', () => {
  test.each([
    ['1', 1n],
    ['1230', 1230n],
    ['9007199254740991', MAX_AMOUNT_MINOR],
    ['1e3', 1000n],
    ['1230.0', 1230n],
    ['1230.00000000000000001', 1230n],
  ])('%s is an amount', (json, amount) => {
    expect(parseAmountMinor(JSON.parse(json))).toBe(amount);
  });

  test.each([
    '0',
    '-0',
    '-1',
    '0.5',
    '12.30',
    '9007199254740992',
    '9007199254740993',
    '1e999',
    '"1230"',
    'null',
    'true',
    '[1]',
    '{}',
  ])('%s is no amount', (json) => {
    expect(parseAmountMinor(JSON.parse(json))).toBeUndefined();
  });

  test('every amount and balance survives the way through JSON', () => {
    fc.assert(
      fc.property(minors, (minor) => {
        const read: unknown = JSON.parse(JSON.stringify({ amount: renderAmount(minor) }));
        expect(read).toEqual({ amount: Number(minor) });
        expect(BigInt(renderAmount(minor))).toBe(minor);
        if (minor >= 1n) expect(parseAmountMinor(renderAmount(minor))).toBe(minor);
      }),
    );
  });

  test('what JSON would round is a violation', () => {
    expect(renderAmount(MAX_AMOUNT_MINOR)).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => renderAmount(MAX_AMOUNT_MINOR + 1n)).toThrow(InvariantViolation);
    expect(() => renderAmount(-MAX_AMOUNT_MINOR - 1n)).toThrow(InvariantViolation);
  });
});

describe('formatMoney', () => {
  test.each([
    [1230n, 'USD', '12.30 USD'],
    [123_000n, 'USD', '1,230.00 USD'],
    [100_000_000n, 'USD', '1,000,000.00 USD'],
    [0n, 'USD', '0.00 USD'],
    [5n, 'USD', '0.05 USD'],
    [-5n, 'USD', '-0.05 USD'],
    [-123_456n, 'BRL', '-1,234.56 BRL'],
    [1230n, 'JPY', '1,230 JPY'],
    [0n, 'JPY', '0 JPY'],
    [1230n, 'KWD', '1.230 KWD'],
    [12n, 'CLF', '0.0012 CLF'],
    [999n, 'JPY', '999 JPY'],
    [MAX_AMOUNT_MINOR, 'USD', '90,071,992,547,409.91 USD'],
    [10n ** 20n, 'USD', '1,000,000,000,000,000,000.00 USD'],
  ])('%i minor units of %s are %s', (minor, code, text) => {
    expect(formatMoney(minor, currencyOf(code))).toBe(text);
  });

  test('says the amount and nothing else: its digits are the minor units', () => {
    fc.assert(
      fc.property(minors, currencies, (minor, currency) => {
        const text = formatMoney(minor, currency);
        expect(BigInt(text.replaceAll(/[^-0-9]/g, ''))).toBe(minor);
        const exponent = exponentOf(currency);
        const places = exponent === 0 ? '' : `\\.\\d{${exponent}}`;
        expect(text).toMatch(new RegExp(`^-?\\d{1,3}(,\\d{3})*${places} ${currency}$`));
      }),
    );
  });
});
