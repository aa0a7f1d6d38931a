import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CURRENCIES, type Currency, exponentOf, isCurrency } from './currencies.ts';
import { InvariantViolation } from './fault.ts';
import { formatMoney, isInMoneyRange, MAX_AMOUNT_MINOR, renderAmount } from './money.ts';

const minors = fc.bigInt({ min: -MAX_AMOUNT_MINOR, max: MAX_AMOUNT_MINOR });
const currencies = fc.constantFrom(...CURRENCIES);

function currencyOf(code: string): Currency {
  if (!isCurrency(code)) throw new RangeError(code);
  return code;
}

describe('the range of money', () => {
  test.each([MAX_AMOUNT_MINOR, -MAX_AMOUNT_MINOR, 0n])('%i is in it', (minor) => {
    expect(isInMoneyRange(minor)).toBe(true);
  });

  test.each([MAX_AMOUNT_MINOR + 1n, -MAX_AMOUNT_MINOR - 1n])('%i is not', (minor) => {
    expect(isInMoneyRange(minor)).toBe(false);
  });
});

describe('amounts on the wire', () => {
  test('every amount and balance survives the way through JSON', () => {
    fc.assert(
      fc.property(minors, (minor) => {
        const read: unknown = JSON.parse(JSON.stringify({ amount: renderAmount(minor) }));
        expect(read).toEqual({ amount: Number(minor) });
        expect(BigInt(renderAmount(minor))).toBe(minor);
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
