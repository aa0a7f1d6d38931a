import { describe, expect, test } from 'vitest';
import type { BookRecord } from './book.ts';
import { USUAL } from './conduct.ts';
import { decideRefund } from './decide-refund.ts';
import type { Refund } from './documents.ts';
import { bookOf, charge, NOW, refundRequest, surroundings } from './given.ts';

function outcome(records: readonly BookRecord[], change: Parameters<typeof refundRequest>[0] = {}): string {
  const decision = decideRefund(bookOf(...records), refundRequest(change), USUAL, surroundings());
  return decision.kind === 'refused' ? decision.refusal.code : decision.kind;
}

function refund(change: Partial<Refund>): BookRecord {
  const document: Refund = {
    kind: 'refund',
    id: 're_0',
    ...refundRequest({ key: 'ref_0' }),
    status: 'succeeded',
    reason: null,
    createdAt: NOW,
    updatedAt: NOW,
    ...change,
  };
  return { document };
}

const CHARGED = { document: charge({ amount: 1000 }) };

describe('a refund', () => {
  test('is pending at first, and due to succeed', () => {
    const decision = decideRefund(bookOf(CHARGED), refundRequest(), USUAL, surroundings());
    expect(decision).toMatchObject({
      kind: 'made',
      document: { status: 'pending' },
      record: { settlement: { kind: 'refund', key: 'ref_1', reason: null } },
    });
  });

  test.each([
    [999, 'made'],
    [1000, 'made'],
    [1001, 'refund_exceeds_charge'],
  ])('of %d of 1000: %s', (amount, expected) => {
    expect(outcome([CHARGED], { amount })).toBe(expected);
  });

  test.each([
    ['succeeded', 599, 401, 'made'],
    ['succeeded', 600, 401, 'refund_exceeds_charge'],
    ['pending', 600, 401, 'refund_exceeds_charge'],
    ['failed', 600, 401, 'made'],
  ] as const)('beside one that is %s of %d, of %d: %s', (status, earlier, amount, expected) => {
    expect(outcome([CHARGED, refund({ status, amount: earlier })], { amount })).toBe(expected);
  });

  test('that fails makes room again', () => {
    const records = [CHARGED, refund({ status: 'pending' }), refund({ status: 'failed' })];
    expect(outcome(records)).toBe('made');
  });

  test.each(['declined', 'pending', 'voided'] as const)('of a charge that is %s is refused', (status) => {
    expect(outcome([{ document: charge({ status }) }])).toBe('charge_not_approved');
  });

  test('of no charge, of another currency, under a used key', () => {
    expect(outcome([])).toBe('charge_not_found');
    expect(outcome([{ voided: 'att_1' }])).toBe('charge_not_found');
    expect(outcome([CHARGED], { currency: 'EUR' })).toBe('currency_mismatch');
    const known = [CHARGED, refund({ key: 'ref_1' })];
    expect(outcome(known)).toBe('replayed');
    expect(outcome(known, { amount: 1 })).toBe('idempotency_key_reused');
    expect(outcome(known, { charge: 'att_2' })).toBe('idempotency_key_reused');
  });
});
