import { describe, expect, test } from 'vitest';
import { USUAL } from './conduct.ts';
import { decideCharge, decideVoid } from './decide-charge.ts';
import type { Decision } from './decision.ts';
import { bookOf, charge, chargeRequest, surroundings } from './given.ts';

function codeOf(decision: Decision): string {
  return decision.kind === 'refused' ? decision.refusal.code : decision.kind;
}

describe('a charge', () => {
  test('of a new key is made and approved', () => {
    const decision = decideCharge(bookOf(), chargeRequest(), USUAL, surroundings());
    expect(decision).toEqual({ kind: 'made', document: charge(), record: { document: charge() } });
  });

  test.each([
    ['the same again', {}, 'replayed'],
    ['another amount', { amount: 1001 }, 'idempotency_key_reused'],
    ['another currency', { currency: 'EUR' }, 'idempotency_key_reused'],
    ['another reference', { reference: 'ref-2' }, 'idempotency_key_reused'],
    ['another description', { description: 'tea' }, 'idempotency_key_reused'],
  ])('under a used key: %s', (_case, change, expected) => {
    const book = bookOf({ document: charge() });
    expect(codeOf(decideCharge(book, chargeRequest(change), USUAL, surroundings()))).toBe(expected);
  });

  test.each([
    ['before it was used', { voided: 'att_1' }],
    ['while it was pending', { document: charge({ status: 'voided' }) }],
  ])('under a key that was voided %s is refused for ever, whatever its body', (_case, record) => {
    for (const change of [{}, { amount: 1 }])
      expect(codeOf(decideCharge(bookOf(record), chargeRequest(change), USUAL, surroundings()))).toBe(
        'charge_voided',
      );
  });
});

describe('a void', () => {
  test('of a key never seen is written down, once', () => {
    expect(decideVoid(bookOf(), 'att_1', surroundings())).toEqual({
      kind: 'key_voided',
      key: 'att_1',
      record: { voided: 'att_1' },
    });
    expect(decideVoid(bookOf({ voided: 'att_1' }), 'att_1', surroundings())).toEqual({
      kind: 'key_voided',
      key: 'att_1',
    });
  });

  test.each([
    ['pending', 'charge_voided'],
    ['voided', 'charge_voided'],
    ['declined', 'found'],
    ['approved', 'charge_approved'],
  ] as const)('of a charge that is %s: %s', (status, expected) => {
    const book = bookOf({ document: charge({ status }) });
    expect(codeOf(decideVoid(book, 'att_1', surroundings()))).toBe(expected);
  });

  test('of a pending charge cancels what it was to become', () => {
    const settlement = { kind: 'charge', key: 'att_1', at: 0, reason: null, story: 'plain' } as const;
    const book = bookOf({ document: charge({ status: 'pending' }), settlement });
    const decision = decideVoid(book, 'att_1', surroundings());
    if ('record' in decision) book.apply(decision.record);
    expect(book.settlements()).toEqual([]);
    expect(book.charge('att_1')?.status).toBe('voided');
  });
});
