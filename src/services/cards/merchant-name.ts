/**
 * A merchant as networks send it: 40 characters of fixed width, the name left, the city right, spaces between (K4). What
 * rules are compared with is the text without spaces around it, with one for each run of them, in capitals.
 */
export const MERCHANT_MAX = 100;

/** 1 to 100 characters, of which one at least is no space. */
export function isMerchant(text: string): boolean {
  return isShort(text) && text.trim() !== '';
}

/** A character beyond the basic plane is one, and has a length of two. */
function isShort(text: string): boolean {
  return (
    text.length <= MERCHANT_MAX ||
    (text.length <= 2 * MERCHANT_MAX && Array.from(text).length <= MERCHANT_MAX)
  );
}

export function normalizeMerchant(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').toUpperCase();
}
