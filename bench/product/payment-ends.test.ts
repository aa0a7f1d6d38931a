import { describe, expect, it } from 'vitest';
import { countStatuses, isNamedReason } from './payment-ends.ts';

describe('a payment without an end', () => {
  it.each(['provider.unknown', 'provider.closed', 'provider.unresolved', 'payment.reconciliation_required'])(
    'has a reason to wait after %s',
    (event) => expect(isNamedReason(event)).toBe(true),
  );

  it.each(['payment.requested', 'payment.authorized', 'payment.charged', 'entry.posted', 'none'])(
    'has none after %s',
    (event) => expect(isNamedReason(event)).toBe(false),
  );
});

describe('countStatuses', () => {
  it('counts each', () => {
    const payments = ['completed', 'failed', 'completed'].map((status) => ({ id: 'pay_1', status }));
    expect(countStatuses(payments)).toEqual({ completed: 2, failed: 1 });
  });
});
