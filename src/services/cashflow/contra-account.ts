/**
 * The account that cash entries of a category are posted against: one per tenant, currency and category, opened on first
 * use. Its id is a function of the two (docs/adr/0020): `cash-BRL-rent-5b8e6c0a51f4d7c2`. The middle is for people; what
 * tells categories apart is 64 bits of SHA-256, because a category is any text and an account's id is not.
 */
import { hash } from 'node:crypto';

/** Behind `cash-BRL-`; of entries without a category. No category's id ends like it. */
const UNCATEGORIZED = 'uncategorized';
/** With what is before and behind it, within the 64 characters of an account's id. */
const READABLE_MAX = 32;
const HASH_DIGITS = 16;

/** Categories are compared as they are written: `Rent` and `rent` are two. */
export function contraAccountId(currency: string, category: string | null): string {
  return `cash-${currency}-${category === null ? UNCATEGORIZED : nameOf(category)}`;
}

function nameOf(category: string): string {
  const readable = category
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, READABLE_MAX)
    .replaceAll(/^-|-$/g, '');
  const digits = hash('sha256', category, 'hex').slice(0, HASH_DIGITS);
  return readable === '' ? digits : `${readable}-${digits}`;
}
