/** What the tests of this folder begin with. */
import { Book, type BookRecord } from './book.ts';
import type { ChargeRequest } from './decide-charge.ts';
import type { RefundRequest } from './decide-refund.ts';
import type { Surroundings } from './decision.ts';
import type { Charge } from './documents.ts';

export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

/** Ids by number, a fixed instant. */
export function surroundings(now = NOW): Surroundings {
  let made = 0;
  return {
    now,
    newId: (prefix) => {
      made += 1;
      return `${prefix}_${made}`;
    },
  };
}

export function bookOf(...records: readonly BookRecord[]): Book {
  const book = new Book();
  for (const record of records) book.apply(record);
  return book;
}

export function chargeRequest(change: Partial<ChargeRequest> = {}): ChargeRequest {
  return { key: 'att_1', reference: 'ref-1', amount: 1000, currency: 'USD', description: null, ...change };
}

export function refundRequest(change: Partial<RefundRequest> = {}): RefundRequest {
  return { key: 'ref_1', charge: 'att_1', reference: 'ref-1', amount: 1000, currency: 'USD', ...change };
}

export function charge(change: Partial<Charge> = {}): Charge {
  return {
    kind: 'charge',
    id: 'ch_1',
    ...chargeRequest(),
    status: 'approved',
    reason: null,
    createdAt: NOW,
    updatedAt: NOW,
    ...change,
  };
}
