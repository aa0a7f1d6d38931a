/**
 * The amount of a card transaction: a decimal, read digit by digit from the JSON text (K8). Whatever cannot be said in
 * whole minor units is refused with its reason, never rounded (K7).
 */
import { type Currency, exponentOf } from '#kernel/currencies.ts';
import { MAX_AMOUNT_MINOR } from '#kernel/money.ts';

export type AmountFault =
  | 'malformed_amount'
  | 'amount_not_positive'
  | 'amount_has_too_many_decimals'
  | 'amount_too_large';

/** What K7 allows, whatever the currency: a third decimal is refused also where the currency has three. */
const DECIMALS = 2;
/** Longer literals are not looked at; 2^53−1 minor units have 17 characters. */
const LITERAL_MAX = 64;
/** Of an exponent's digits: beyond 10^±99 nothing is an amount, and nothing is to be computed. */
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,2}))?$/;

/** Hundredths of the major unit, from a number as it stands in the JSON text: `100.10`, `1e2`. */
export function parseAmount(literal: string): bigint | AmountFault {
  const match = literal.length > LITERAL_MAX ? null : NUMBER.exec(literal);
  if (match === null) return 'malformed_amount';
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  if (digits === '' || sign === '-') return 'amount_not_positive';
  // The value is digits · 10^power hundredths.
  const power = Number(exponent) - fraction.length + DECIMALS;
  if (power >= 0) return inRange(BigInt(digits) * 10n ** BigInt(power));
  const [kept, cut] = [digits.slice(0, power), digits.slice(power)];
  return /^0+$/.test(cut) && kept !== '' ? inRange(BigInt(kept)) : 'amount_has_too_many_decimals';
}

/** The same in minor units of the card's currency. */
export function toMinorUnits(hundredths: bigint, currency: Currency): bigint | AmountFault {
  const exponent = exponentOf(currency);
  if (exponent >= DECIMALS) return inRange(hundredths * 10n ** BigInt(exponent - DECIMALS));
  const unit = 10n ** BigInt(DECIMALS - exponent);
  return hundredths % unit === 0n ? hundredths / unit : 'amount_has_too_many_decimals';
}

/** 2^53−1 hundredths are the most in a currency of two decimals, and more than any other can have in minor units. */
function inRange(amount: bigint): bigint | AmountFault {
  return amount > MAX_AMOUNT_MINOR ? 'amount_too_large' : amount;
}
