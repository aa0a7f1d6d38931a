import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Currency } from '#kernel/currencies.ts';
import { parseAmount, toMinorUnits } from './parse-amount.ts';

describe('K8: an amount is read digit by digit', () => {
  test.each([
    ['100.00', 10_000n],
    ['100.10', 10_010n],
    ['100', 10_000n],
    ['1e2', 10_000n],
    ['1E+2', 10_000n],
    ['1.5e1', 1_500n],
    ['100e-2', 100n],
    ['0.1', 10n],
    ['0.01', 1n],
    ['0.010', 1n],
    ['0.0010e1', 1n],
    ['0.29', 29n],
    ['1.005e1', 1_005n],
    // 4.35 · 100 is 434.99999999999994 as doubles.
    ['4.35', 435n],
    ['100.00000000000000', 10_000n],
    // Seventeen digits, of which a double keeps about sixteen.
    ['90071992547409.91', 9_007_199_254_740_991n],
    ['90071992547409.910', 9_007_199_254_740_991n],
  ])('%s is %s hundredths', (literal, hundredths) => {
    expect(parseAmount(literal)).toBe(hundredths);
  });

  test.each([
    ['0', 'amount_not_positive'],
    ['0.00', 'amount_not_positive'],
    ['-0', 'amount_not_positive'],
    ['0e5', 'amount_not_positive'],
    ['-1', 'amount_not_positive'],
    ['-0.01', 'amount_not_positive'],
    ['0.001', 'amount_has_too_many_decimals'],
    ['0.009', 'amount_has_too_many_decimals'],
    ['1.001', 'amount_has_too_many_decimals'],
    ['0.10000000000000001', 'amount_has_too_many_decimals'],
    ['1e-3', 'amount_has_too_many_decimals'],
    ['1e-99', 'amount_has_too_many_decimals'],
    ['90071992547409.92', 'amount_too_large'],
    ['90071992547410', 'amount_too_large'],
    ['1e99', 'amount_too_large'],
    ['1e100', 'malformed_amount'],
    ['1e400', 'malformed_amount'],
    ['', 'malformed_amount'],
    ['null', 'malformed_amount'],
    ['true', 'malformed_amount'],
    ['.5', 'malformed_amount'],
    ['1.', 'malformed_amount'],
    ['0x10', 'malformed_amount'],
    ['١', 'malformed_amount'],
    ['1'.repeat(65), 'malformed_amount'],
  ])('K7: %s is refused as %s', (literal, fault) => {
    expect(parseAmount(literal)).toBe(fault);
  });

  test('K8: every amount of two decimals is itself, however it is written', () => {
    const amounts = fc.bigInt(1n, 9_007_199_254_740_991n);
    fc.assert(
      fc.property(amounts, fc.nat(12), fc.integer({ min: -20, max: 20 }), (hundredths, zeros, shift) => {
        expect(parseAmount(written(hundredths, { zeros, shift }))).toBe(hundredths);
      }),
    );
  });
});

/** Hundredths as a decimal with zeros behind it and its point moved by an exponent. */
function written(hundredths: bigint, { zeros, shift }: { zeros: number; shift: number }): string {
  const digits = `${hundredths}`.padStart(30, '0') + '0'.repeat(zeros + 30);
  const point = 30 - 2 - shift;
  const fraction = digits.slice(point).replace(/0+$/, '') + '0'.repeat(zeros);
  const whole = digits.slice(0, point).replace(/^0+(?=\d)/, '');
  return `${whole}${fraction === '' ? '' : `.${fraction}`}e${shift}`;
}

describe('K7: what the card’s currency cannot say is refused', () => {
  test.each([
    ['BRL', 1_050n, 1_050n],
    ['JPY', 100n, 1n],
    ['JPY', 1_000n, 10n],
    ['JPY', 150n, 'amount_has_too_many_decimals'],
    ['BHD', 150n, 1_500n],
    ['BHD', 900_719_925_474_099n, 9_007_199_254_740_990n],
    ['BHD', 900_719_925_474_100n, 'amount_too_large'],
  ])('%s: %s hundredths are %s', (currency, hundredths, minor) => {
    expect(toMinorUnits(hundredths, currency as Currency)).toBe(minor);
  });
});
