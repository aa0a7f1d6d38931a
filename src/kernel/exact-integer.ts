/**
 * Integers of any size in JSON. A number holds them up to 2^53−1, which no amount and no balance exceeds; sums of a day do,
 * and the balance of a day of an account that late entries went back and forth on. JSON has no bound, so those are written
 * digit by digit and read from their text.
 */

/** Of one that no number holds; `JSON.stringify` writes its text. */
export type WideInteger = { readonly rawJSON: string };
export type ExactInteger = number | WideInteger;

declare global {
  interface JSON {
    rawJSON(text: string): WideInteger;
    isRawJSON(value: unknown): value is WideInteger;
  }
}

export function renderInteger(value: bigint): ExactInteger {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : JSON.rawJSON(String(value));
}

/** Undefined: it is none, or one that was read as a number and is not exact. */
export function integerOf(value: unknown): bigint | undefined {
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  return JSON.isRawJSON(value) && INTEGER.test(value.rawJSON) ? BigInt(value.rawJSON) : undefined;
}

/** As `JSON.parse`, but for integers that no number holds. Throws as it does. */
export function parseExactly(text: string): unknown {
  return MAY_BE_WIDE.test(text) ? JSON.parse(text, keepWide) : JSON.parse(text);
}

const INTEGER = /^-?\d+$/;
/** 2^53 has sixteen digits. */
const MAY_BE_WIDE = /\d{16}/;

function keepWide(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? '';
  return INTEGER.test(source) ? JSON.rawJSON(source) : value;
}
