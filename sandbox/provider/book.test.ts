import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assertNever } from './assert-never.ts';
import type { Book, BookRecord } from './book.ts';
import { type Conduct, USUAL } from './conduct.ts';
import { decideCharge, decideVoid } from './decide-charge.ts';
import { decideRefund } from './decide-refund.ts';
import type { Decision } from './decision.ts';
import { bookOf, charge, chargeRequest, NOW, refundRequest, surroundings } from './given.ts';
import { settlementRecord } from './outcome-record.ts';

function everythingIn(book: Book): unknown {
  return {
    entries: book.page(0, 1000),
    settlements: book.settlements(),
    owed: book.owed(),
    voided: ['att_0', 'att_1', 'att_2'].filter((key) => book.isVoided(key)),
    refunded: ['att_0', 'att_1', 'att_2'].map((key) => book.refundedMinor(key)),
  };
}

const PENDING: Conduct = { ...USUAL, outcome: { reason: null, pendingMs: 1000, story: 'plain' } };

/** Requests at random on few keys, so that they meet. */
const request = fc.record({
  kind: fc.constantFrom(
    'charge' as const,
    'pending' as const,
    'void' as const,
    'refund' as const,
    'settle' as const,
  ),
  key: fc.constantFrom('att_0', 'att_1', 'att_2'),
  amount: fc.integer({ min: 1, max: 1500 }),
});

type Asked = typeof request extends fc.Arbitrary<infer Value> ? Value : never;

const context = surroundings();

function decide(book: Book, { kind, key, amount }: Asked): BookRecord | undefined {
  const recordOf = (decision: Decision) => ('record' in decision ? decision.record : undefined);
  switch (kind) {
    case 'charge':
      return recordOf(decideCharge(book, chargeRequest({ key, amount }), USUAL, context));
    case 'pending':
      return recordOf(decideCharge(book, chargeRequest({ key, amount }), PENDING, context));
    case 'void':
      return recordOf(decideVoid(book, key, context));
    case 'refund':
      return recordOf(
        decideRefund(
          book,
          refundRequest({ key: `ref_${key}_${amount}`, charge: key, amount }),
          USUAL,
          context,
        ),
      );
    case 'settle': {
      const [settlement] = book.settlements();
      const document = settlement && book.document(settlement.kind, settlement.key);
      return document && settlementRecord(document, settlement, context);
    }
    default:
      return assertNever(kind);
  }
}

test('B1: whatever was written makes the same book when it is read again, also as JSON', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 40 }), (asked) => {
      const book = bookOf();
      const journal: string[] = [];
      for (const each of asked) {
        const record = decide(book, each);
        if (record === undefined) continue;
        book.apply(record);
        journal.push(JSON.stringify(record));
      }
      const again = bookOf(...journal.map((line) => JSON.parse(line) as BookRecord));
      expect(everythingIn(again)).toEqual(everythingIn(book));
    }),
  );
});

test('refunds never exceed their charge, and a voided key is never charged, in any order of requests', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 40 }), (asked) => {
      const book = bookOf();
      const voided = new Set<string>();
      for (const each of asked) {
        const record = decide(book, each);
        if (record !== undefined) book.apply(record);
        if (each.kind === 'void' && book.charge(each.key)?.status !== 'approved') voided.add(each.key);
        for (const key of ['att_0', 'att_1', 'att_2'])
          expect(book.refundedMinor(key)).toBeLessThanOrEqual(book.charge(key)?.amount ?? 0);
      }
      for (const key of voided) expect(book.charge(key)?.status).not.toBe('approved');
    }),
  );
});

test('a page begins behind a position and is oldest first', () => {
  const records = ['a', 'b', 'c'].map((key) => ({ document: charge({ key }) }));
  const book = bookOf(...records, { document: charge({ key: 'a', updatedAt: NOW + 1 }) });
  expect(book.page(1, 1).map(({ position, document }) => [position, document.key])).toEqual([[2, 'b']]);
  expect(book.page(0, 9).map(({ document }) => document.key)).toEqual(['a', 'b', 'c']);
  expect(book.page(3, 9)).toEqual([]);
});

test('what was called back is owed no longer', () => {
  const owed = { id: 'cb_1', since: NOW, at: NOW, steps: [] };
  expect(bookOf({ owed }).owed()).toEqual([owed]);
  expect(bookOf({ owed }, { done: 'cb_1' }).owed()).toEqual([]);
});
