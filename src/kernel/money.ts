/**
 * Money is a `bigint` of minor units (cents of a USD, whole JPY); its currency travels beside it and knows the
 * exponent (`currencies.ts`). Never a float, never mixed with another currency: an account has one.
 *
 * A plain `bigint` and no brand: sums, comparisons and literals read as arithmetic, and a JSON number, which is
 * how amounts come in, does not compile where a bigint is wanted.
 *
 * The wire carries amounts as JSON integers, so no amount and no balance may pass 2^53 − 1, the last integer
 * that every JSON reader keeps exact (DESIGN R6). Input beyond it is refused before it gets here; a sum that
 * comes to it is a violation, as the limits of accounts must have stopped it.
 */
import { type Currency, exponentOf } from './currencies.ts';
import { InvariantViolation } from './fault.ts';

/** Minor units of some currency: 1230n is 12.30 USD. */
export type AmountMinor = bigint;

/** 2^53 − 1: the largest amount, and the largest balance either side of zero. */
export const MAX_AMOUNT_MINOR: AmountMinor = 9_007_199_254_740_991n;

export function isInMoneyRange(minor: AmountMinor): boolean {
  return minor <= MAX_AMOUNT_MINOR && minor >= -MAX_AMOUNT_MINOR;
}

/** a + b. Throws InvariantViolation beyond ±MAX_AMOUNT_MINOR. */
export function addMinor(a: AmountMinor, b: AmountMinor): AmountMinor {
  return checkedMinor(a + b);
}

/** a − b. Throws InvariantViolation beyond ±MAX_AMOUNT_MINOR. */
export function subtractMinor(a: AmountMinor, b: AmountMinor): AmountMinor {
  return checkedMinor(a - b);
}

/** Σ amounts, which may pass the limit on the way but not at the end. Throws InvariantViolation there. */
export function sumMinor(amounts: Iterable<AmountMinor>): AmountMinor {
  let sum = 0n;
  for (const amount of amounts) sum += amount;
  return checkedMinor(sum);
}

/**
 * An amount of a request body, after JSON.parse: an integer from 1 to 2^53 − 1, else undefined. What the number
 * looked like is lost by then: `1e3` and `1230.0` are the integers they mean, and digits that a double cannot
 * hold are gone (`1230.00000000000000001` is 1230). Beyond 2^53 − 1 nothing is rounded into range.
 */
export function parseAmountMinor(value: unknown): AmountMinor | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? BigInt(value) : undefined;
}

/** The JSON number of an amount or balance. Throws InvariantViolation beyond ±MAX_AMOUNT_MINOR. */
export function renderAmount(minor: AmountMinor): number {
  return Number(checkedMinor(minor));
}

/** For people, the same in every locale: `1,230.00 USD`, `-0.05 USD`, `1,230 JPY`. Exact at any size. */
export function formatMoney(minor: AmountMinor, currency: Currency): string {
  const exponent = exponentOf(currency);
  const sign = minor < 0n ? '-' : '';
  const digits = String(minor < 0n ? -minor : minor).padStart(exponent + 1, '0');
  const units = groupThousands(digits.slice(0, digits.length - exponent));
  const fraction = exponent === 0 ? '' : `.${digits.slice(-exponent)}`;
  return `${sign}${units}${fraction} ${currency}`;
}

function checkedMinor(minor: AmountMinor): AmountMinor {
  if (!isInMoneyRange(minor)) throw new InvariantViolation(`an amount beyond 2^53 - 1: ${minor}`);
  return minor;
}

function groupThousands(digits: string): string {
  const first = digits.length % 3;
  const groups = first === 0 ? [] : [digits.slice(0, first)];
  for (let start = first; start < digits.length; start += 3) groups.push(digits.slice(start, start + 3));
  return groups.join(',');
}
