/**
 * A merchant as networks send it: 40 characters of fixed width, the name left, the city right, spaces between (K4). What
 * rules are compared with is the text without spaces around it, with one for each run of them, in capitals.
 */
import { hasAtMost } from '#kernel/text.ts';

export const MERCHANT_MAX = 100;

/** 1 to 100 characters, of which one at least is no space. */
export function isMerchant(text: string): boolean {
  return hasAtMost(MERCHANT_MAX, text) && text.trim() !== '';
}

export function normalizeMerchant(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').toUpperCase();
}
