/** D5: never more is given back than was paid. */
import { describe, expect, test } from 'vitest';
import { type ChangeablePayment, changeable } from './changeable-payment.ts';
import { PAYMENT_STATUSES } from './payment.ts';
import { completedPayment, NOW, noTotals, REFUND_UUID } from './payment-fixture.ts';
import { refundRequested, requestRefund } from './request-refund.ts';

type Order = { readonly amount?: number; readonly currency?: string; readonly reason?: string };

function refund(target: ChangeablePayment | undefined, order: Order = {}) {
  const whole = { operation: 'refunds.create', payment_id: 'pay_x', ...order } as const;
  return requestRefund(target, { uuid: REFUND_UUID, order: whole, correlationId: 'cor_2' }, NOW);
}

describe('what is left is promised', () => {
  test.each([
    ['all of it', 0n, {}, 100n],
    ['all of it by its amount', 0n, { amount: 100 }, 100n],
    ['one of it', 0n, { amount: 1 }, 1n],
    ['all but one', 0n, { amount: 99 }, 99n],
    ['the last one', 99n, {}, 1n],
    ['the last one by its amount', 99n, { amount: 1 }, 1n],
    ['in the currency of the payment', 0n, { amount: 5, currency: 'USD' }, 5n],
  ])('%s', (_, promisedMinor, order, amountMinor) => {
    const target = changeable(completedPayment, { ...noTotals, promisedMinor });
    expect(refund(target, order)).toMatchObject({
      ok: true,
      value: { refund: { amountMinor, status: 'pending' } },
    });
    expect(target.totals.promisedMinor).toBe(promisedMinor + amountMinor);
    expect(target.changed).toBe(true);
  });

  test('of several in a batch each finds what the one before left', () => {
    const target = changeable(completedPayment, undefined);
    const amounts = [60, 60, 40, 1].map((amount) => refund(target, { amount }).ok);
    expect(amounts).toEqual([true, false, true, false]);
    expect(target.totals.promisedMinor).toBe(100n);
  });
});

describe('what is refused promises nothing', () => {
  const tooMuch = (remaining: number) => ({
    code: 'payments.refund_exceeds_payment',
    members: { remaining },
  });

  test.each([
    ['one more than there was', 0n, { amount: 101 }, tooMuch(100)],
    ['one more than is left', 60n, { amount: 41 }, tooMuch(40)],
    ['more than any payment', 60n, { amount: Number.MAX_SAFE_INTEGER }, tooMuch(40)],
    ['one, when nothing is left', 100n, { amount: 1 }, tooMuch(0)],
    ['all, when nothing is left', 100n, {}, tooMuch(0)],
    ['another currency', 0n, { amount: 1, currency: 'EUR' }, { code: 'payments.refund_currency_mismatch' }],
  ])('%s', (_, promisedMinor, order, problem) => {
    const target = changeable(completedPayment, { ...noTotals, promisedMinor });
    expect(refund(target, order)).toMatchObject({ ok: false, problem });
    expect(target).toMatchObject({ changed: false, totals: { promisedMinor } });
  });

  test.each(PAYMENT_STATUSES.filter((status) => status !== 'completed'))(
    'of a payment that is %s',
    (status) => {
      const decided = refund(changeable({ ...completedPayment, status }, undefined));
      expect(decided).toMatchObject({ problem: { code: 'payments.not_refundable' } });
    },
  );

  test.each([
    ['as the saga says', { ...completedPayment, failure: { code: 'a.b', detail: 'c' } }, noTotals],
    ['as a person wants', completedPayment, { ...noTotals, undoRequestedAt: NOW }],
  ])('of a payment that is being undone as a whole, %s', (_, payment, totals) => {
    const decided = refund(changeable(payment, totals));
    expect(decided).toMatchObject({ problem: { code: 'payments.not_refundable' } });
  });

  test('of a payment that does not exist', () => {
    expect(refund(undefined)).toMatchObject({ problem: { code: 'payments.not_found' } });
  });
});

test('its event is in the partition of the payment, and says who gets what from whom', () => {
  const decided = refund(changeable({ ...completedPayment, method: 'gateway' }, undefined), {
    reason: 'broken',
  });
  if (!decided.ok) throw new Error(decided.problem.detail);
  expect(refundRequested(decided.value, { requestId: 'req_1', traceparent: null })).toMatchObject({
    type: 'refund.requested',
    version: 1,
    key: 'wallet',
    causation: 'req_1',
    data: {
      wallet_id: 'wallet',
      service_id: 'service',
      amount: 100,
      currency: 'USD',
      method: 'gateway',
      reason: 'broken',
    },
  });
});
