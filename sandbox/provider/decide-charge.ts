/** Charges: made once per key, and never after the key was voided. */

import { assertNever } from './assert-never.ts';
import type { Book } from './book.ts';
import type { Conduct } from './conduct.ts';
import { type Decision, refused, type Surroundings } from './decision.ts';
import { type Charge, renderDocument, type Terms } from './documents.ts';
import { outcomeRecord } from './outcome-record.ts';

export interface ChargeRequest extends Terms {
  readonly key: string;
  readonly description: string | null;
}

/** In this order: voided, replayed, reused, made. */
export function decideCharge(
  book: Book,
  request: ChargeRequest,
  conduct: Conduct,
  surroundings: Surroundings,
): Decision {
  const { key } = request;
  const known = book.charge(key);
  if (book.isVoided(key) || known?.status === 'voided')
    return refused('charge_voided', `Key ${key} was voided: charge under another key.`);
  if (known !== undefined)
    return isSameCharge(known, request) ? { kind: 'replayed', document: known } : reused(key);
  const { now, newId } = surroundings;
  const pending: Charge = {
    kind: 'charge',
    id: newId('ch'),
    ...request,
    status: 'pending',
    reason: null,
    createdAt: now,
    updatedAt: now,
  };
  const record = outcomeRecord(pending, conduct, surroundings);
  return { kind: 'made', document: record.document, record };
}

export function decideInquiry(book: Book, key: string): Decision {
  const document = book.charge(key);
  return document === undefined ? noCharge(key) : { kind: 'found', document };
}

/** What was never charged or is pending is charged never; what is final stays. */
export function decideVoid(book: Book, key: string, { now }: Surroundings): Decision {
  const document = book.charge(key);
  if (document === undefined)
    return { kind: 'key_voided', key, ...(book.isVoided(key) ? {} : { record: { voided: key } }) };
  switch (document.status) {
    case 'pending': {
      const voided: Charge = { ...document, status: 'voided', updatedAt: now };
      return { kind: 'charge_voided', document: voided, record: { document: voided } };
    }
    case 'voided':
      return { kind: 'charge_voided', document };
    case 'declined':
      return { kind: 'found', document };
    case 'approved': {
      const charge = renderDocument(document);
      return refused('charge_approved', `Charge ${key} was approved: refund it instead.`, { charge });
    }
    default:
      return assertNever(document.status);
  }
}

export function noCharge(key: string): Decision {
  return refused('charge_not_found', `No charge has the key ${key}.`);
}

export function reused(key: string): Decision {
  return refused(
    'idempotency_key_reused',
    `Key ${key} was used with another body: send the same one, or use another key.`,
  );
}

function isSameCharge(known: Charge, request: ChargeRequest): boolean {
  return isSameTerms(known, request) && known.description === request.description;
}

export function isSameTerms(known: Terms, other: Terms): boolean {
  return (
    known.reference === other.reference && known.amount === other.amount && known.currency === other.currency
  );
}
