/**
 * Money is a `bigint` of minor units (cents of a USD, whole JPY); its currency travels beside it and knows the
 * exponent (`currencies.ts`). Never a float, never mixed with another currency: an account has one.
 *
 * A plain `bigint` and no brand: sums, comparisons and literals read as arithmetic, and a JSON number, which is
 * how amounts come in, does not compile where a bigint is wanted.
 *
 * The wire carries amounts as JSON integers, so no amount and no balance may pass 2^53 − 1, the last integer
 * that every JSON reader keeps exact (DESIGN R6). Input beyond it is refused before it gets here; a balance
 * that comes to it is a violation, as the limits of accounts must have stopped it.
 */
import { type Currency, exponentOf } from './currencies.ts';
import { InvariantViolation } from './fault.ts';

/** 2^53 − 1: the largest amount, and the largest balance either side of zero. */
export const MAX_AMOUNT_MINOR = 9_007_199_254_740_991n;

export function isInMoneyRange(minor: bigint): boolean {
  return minor <= MAX_AMOUNT_MINOR && minor >= -MAX_AMOUNT_MINOR;
}

/** The JSON number of an amount or balance. Throws InvariantViolation beyond ±MAX_AMOUNT_MINOR. */
export function renderAmount(minor: bigint): number {
  if (!isInMoneyRange(minor)) throw new InvariantViolation(`an amount beyond 2^53 - 1: ${minor}`);
  return Number(minor);
}

/** For people, the same in every locale: `1,230.00 USD`, `-0.05 USD`, `1,230 JPY`. Exact at any size. */
export function formatMoney(minor: bigint, currency: Currency): string {
  const exponent = exponentOf(currency);
  const sign = minor < 0n ? '-' : '';
  const digits = String(minor < 0n ? -minor : minor).padStart(exponent + 1, '0');
  const units = groupThousands(digits.slice(0, digits.length - exponent));
  const fraction = exponent === 0 ? '' : `.${digits.slice(-exponent)}`;
  return `${sign}${units}${fraction} ${currency}`;
}

function groupThousands(digits: string): string {
  const first = digits.length % 3;
  const groups = first === 0 ? [] : [digits.slice(0, first)];
  for (let start = first; start < digits.length; start += 3) groups.push(digits.slice(start, start + 3));
  return groups.join(',');
}
