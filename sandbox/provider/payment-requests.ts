/** Charges and refunds as they are asked for. */
import type { ChargeRequest } from './decide-charge.ts';
import type { RefundRequest } from './decide-refund.ts';
import type { Terms } from './documents.ts';
import { Fields, MalformedRequest } from './fields.ts';
import { type Incoming, parseJson } from './incoming.ts';

const MAX_TEXT = 255;
const AMOUNT = { min: 1, max: Number.MAX_SAFE_INTEGER };
const TERMS = ['reference', 'amount', 'currency'];
const KEY = /^[\x21-\x7e]{1,255}$/;

/** @throws MalformedRequest */
export function parseCharge(request: Incoming, key: string): ChargeRequest {
  const fields = new Fields(parseJson(request.body), [...TERMS, 'description']);
  return { key, ...readTerms(fields), description: fields.optionalText('description', MAX_TEXT) ?? null };
}

/** @throws MalformedRequest */
export function parseRefund(request: Incoming, key: string): RefundRequest {
  const fields = new Fields(parseJson(request.body), [...TERMS, 'charge']);
  return { key, charge: fields.text('charge', MAX_TEXT), ...readTerms(fields) };
}

/** Bare, or a quoted string as the draft of the header has it. Undefined when there is none. */
export function findKey(request: Incoming): string | undefined {
  const key = request.header('idempotency-key')?.replace(/^"(.*)"$/, '$1');
  if (key === undefined || KEY.test(key)) return key;
  throw new MalformedRequest('Idempotency-Key has to be 1 to 255 visible ASCII characters');
}

function readTerms(fields: Fields): Terms {
  const currency = fields.text('currency', 3);
  if (!/^[A-Z]{3}$/.test(currency)) throw new MalformedRequest('currency has to be three capital letters');
  return {
    reference: fields.text('reference', MAX_TEXT),
    amount: fields.wholeNumber('amount', AMOUNT),
    currency,
  };
}
