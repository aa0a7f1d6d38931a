/** D4: what a person may want of a payment, and when it is too late for it. */
import { describe, expect, test } from 'vitest';
import { changeable } from './changeable-payment.ts';
import { requestCancel, requestResolution } from './intervene.ts';
import { isFinal, PAYMENT_STATUSES, type Payment } from './payment.ts';
import { completedPayment, NOW, noTotals } from './payment-fixture.ts';

const CANCEL = { operation: 'payments.cancel', payment_id: 'pay_x' } as const;

describe('a cancel', () => {
  test.each(PAYMENT_STATUSES.filter((status) => !isFinal(status)))(
    'of a payment that is %s is taken',
    (status) => {
      const target = changeable({ ...completedPayment, status }, undefined);
      expect(requestCancel(target, CANCEL)).toEqual({
        ok: true,
        value: { payment: target.payment, isNews: true },
      });
      expect(target.changed).toBe(false);
    },
  );

  test.each(PAYMENT_STATUSES.filter(isFinal))('of a payment that is %s is refused', (status) => {
    const target = changeable({ ...completedPayment, status }, undefined);
    expect(requestCancel(target, CANCEL)).toMatchObject({ problem: { code: 'payments.not_cancellable' } });
  });

  test('is told to the saga once, though two of a batch want it', () => {
    const target = changeable({ ...completedPayment, status: 'authorized' }, undefined);
    requestCancel(target, CANCEL);
    expect(requestCancel(target, CANCEL)).toMatchObject({ ok: true, value: { isNews: false } });
  });

  test('of a payment that does not exist is refused', () => {
    expect(requestCancel(undefined, CANCEL)).toMatchObject({ problem: { code: 'payments.not_found' } });
  });
});

const RESOLUTION = {
  operation: 'payments.resolve',
  payment_id: 'pay_x',
  reason: 'the provider says so',
} as const;
const viaGateway: Payment = { ...completedPayment, method: 'gateway' };

describe('a resolution', () => {
  test.each([
    ['charged', 'charge', { ...viaGateway, status: 'reconciliation_required' }, null],
    ['not_charged', 'charge', { ...viaGateway, status: 'reconciliation_required' }, NOW],
    ['not_charged', 'completion', viaGateway, NOW],
  ] as const)(
    'that it was %s, regarding the %s, is taken of %o',
    (outcome, regarding, payment, undoRequestedAt) => {
      const target = changeable(payment, undefined);
      expect(requestResolution(target, { ...RESOLUTION, outcome, regarding }, NOW)).toMatchObject({
        ok: true,
      });
      expect(target.totals).toEqual({ ...noTotals, undoRequestedAt });
      expect(target.changed).toBe(outcome === 'not_charged');
    },
  );

  test.each([
    ['charged', viaGateway],
    ['not_charged', completedPayment],
    ['charged', completedPayment],
    ...PAYMENT_STATUSES.filter((status) => !['completed', 'reconciliation_required'].includes(status)).map(
      (status) => ['not_charged', { ...viaGateway, status }] as const,
    ),
  ] as const)('that it was %s is refused of %o', (outcome, payment) => {
    const target = changeable(payment, undefined);
    expect(requestResolution(target, { ...RESOLUTION, outcome }, NOW)).toMatchObject({
      problem: { code: 'payments.not_in_reconciliation' },
    });
    expect(target.changed).toBe(false);
  });

  test.each([
    ['of an unknown charge', { ...RESOLUTION, outcome: 'not_charged' }, viaGateway],
    [
      'of a completed payment',
      { ...RESOLUTION, outcome: 'not_charged', regarding: 'completion' },
      { ...viaGateway, status: 'reconciliation_required' },
    ],
    [
      'of one by gateway',
      { ...RESOLUTION, outcome: 'not_charged', regarding: 'completion' },
      completedPayment,
    ],
    [
      'of a payment that is to be undone',
      { ...RESOLUTION, outcome: 'charged', regarding: 'completion' },
      viaGateway,
    ],
  ] as const)('that was meant %s is refused of another', (_, order, payment) => {
    const target = changeable(payment, undefined);
    expect(requestResolution(target, order, NOW)).toMatchObject({
      problem: { code: 'payments.not_in_reconciliation' },
    });
    expect(target.changed).toBe(false);
  });

  test.each([
    ['of which something is given back', viaGateway, { ...noTotals, promisedMinor: 1n }],
    ['that somebody denied before', viaGateway, { ...noTotals, undoRequestedAt: NOW - 1 }],
    ['that is being undone', { ...viaGateway, failure: { code: 'a.b', detail: 'c' } }, undefined],
  ])('that a charge did not happen is refused of a payment %s', (_, payment, totals) => {
    const target = changeable(payment, totals);
    expect(
      requestResolution(target, { ...RESOLUTION, outcome: 'not_charged', regarding: 'completion' }, NOW),
    ).toMatchObject({
      problem: { code: 'payments.not_in_reconciliation' },
    });
  });

  test('of a compensation that nobody could finish may be said again', () => {
    const parked = { ...viaGateway, status: 'reconciliation_required' } as const;
    const target = changeable(parked, { ...noTotals, undoRequestedAt: NOW - 1 });
    expect(requestResolution(target, { ...RESOLUTION, outcome: 'not_charged' }, NOW)).toMatchObject({
      ok: true,
    });
  });

  test('of a payment that does not exist is refused', () => {
    expect(requestResolution(undefined, { ...RESOLUTION, outcome: 'charged' }, NOW)).toMatchObject({
      problem: { code: 'payments.not_found' },
    });
  });
});
