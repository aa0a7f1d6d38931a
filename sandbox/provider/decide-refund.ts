/** Refunds: made once per key, and together never more than their charge. */
import type { Book } from './book.ts';
import type { Conduct } from './conduct.ts';
import { isSameTerms, noCharge, reused } from './decide-charge.ts';
import { type Decision, refused, type Surroundings } from './decision.ts';
import type { Charge, Refund, Terms } from './documents.ts';
import { outcomeRecord } from './outcome-record.ts';

export interface RefundRequest extends Terms {
  readonly key: string;
  /** The key of the charge. */
  readonly charge: string;
}

/** In this order: replayed, reused, charge there, approved, currency, amount, made. */
export function decideRefund(
  book: Book,
  request: RefundRequest,
  conduct: Conduct,
  surroundings: Surroundings,
): Decision {
  const known = book.refund(request.key);
  if (known !== undefined)
    return isSameRefund(known, request) ? { kind: 'replayed', document: known } : reused(request.key);
  const charge = book.charge(request.charge);
  if (charge === undefined) return noCharge(request.charge);
  return findRefusal(book, request, charge) ?? make(request, conduct, surroundings);
}

export function decideRefundInquiry(book: Book, key: string): Decision {
  const document = book.refund(key);
  return document === undefined
    ? refused('refund_not_found', `No refund has the key ${key}.`)
    : { kind: 'found', document };
}

function findRefusal(book: Book, request: RefundRequest, charge: Charge): Decision | undefined {
  if (charge.status !== 'approved')
    return refused('charge_not_approved', `Charge ${charge.key} is ${charge.status}.`);
  if (charge.currency !== request.currency)
    return refused('currency_mismatch', `Charge ${charge.key} is in ${charge.currency}.`);
  const leftMinor = charge.amount - book.refundedMinor(charge.key);
  if (request.amount <= leftMinor) return undefined;
  return refused('refund_exceeds_charge', `Of charge ${charge.key} ${leftMinor} can still be refunded.`);
}

function make(request: RefundRequest, conduct: Conduct, surroundings: Surroundings): Decision {
  const { now, newId } = surroundings;
  const pending: Refund = {
    kind: 'refund',
    id: newId('re'),
    ...request,
    status: 'pending',
    reason: null,
    createdAt: now,
    updatedAt: now,
  };
  const record = outcomeRecord(pending, conduct, surroundings);
  return { kind: 'made', document: record.document, record };
}

function isSameRefund(known: Refund, request: RefundRequest): boolean {
  return isSameTerms(known, request) && known.charge === request.charge;
}
