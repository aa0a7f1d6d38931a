import { describe, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import type { PaymentOrder } from './payment.ts';
import { NOW, PAYMENT_UUID } from './payment-fixture.ts';
import { paymentRequested, requestPayment, type TakenReferences } from './request-payment.ts';

const ORDER = {
  wallet_id: 'wallet',
  service_id: 'service',
  amount: 1,
  currency: 'USD',
  method: 'gateway',
} as const;

function request(method: 'balance' | 'gateway', gateways?: boolean) {
  const of = { tenant: 'acme', uuid: PAYMENT_UUID, correlationId: 'cor_1', traceparent: null };
  const order = { ...ORDER, method };
  return requestPayment(new Map(), { ...of, order, ...(gateways === undefined ? {} : { gateways }) }, NOW);
}

/** With what the batch before it has taken. */
function ask(taken: TakenReferences, more: Partial<PaymentOrder>, tenant = 'acme') {
  const of = { uuid: PAYMENT_UUID, correlationId: 'cor_1', traceparent: null, gateways: true };
  return requestPayment(taken, { ...of, tenant, order: { ...ORDER, ...more } }, NOW);
}

test.each([
  ['payments.same_account', { service_id: ORDER.wallet_id }],
  ['payments.unknown_currency', { currency: 'XYZ' }],
])('%s: a payment of %o is refused, and takes no reference', (code, wrong) => {
  const taken: TakenReferences = new Map();
  expect(ask(taken, { ...wrong, reference: 'r' })).toMatchObject({ problem: { code } });
  expect(taken.size).toBe(0);
});

describe('a reference', () => {
  test('that an earlier payment of the batch has is refused, and told which one', () => {
    const taken: TakenReferences = new Map();
    expect(ask(taken, { reference: 'r' })).toMatchObject({ ok: true, value: { reference: 'r' } });
    expect(ask(taken, { reference: 'r', amount: 2 })).toMatchObject({
      problem: {
        code: 'payments.duplicate_reference',
        members: { payment_id: idOf('pay', PAYMENT_UUID) },
      },
    });
  });

  test.each([
    [{ wallet_id: 'another' }, 'acme'],
    [{ service_id: 'another' }, 'acme'],
    [{ reference: 's' }, 'acme'],
    [{}, 'globex'],
  ])('is another one with %o of %s', (other, tenant) => {
    const taken: TakenReferences = new Map();
    ask(taken, { reference: 'r' });
    expect(ask(taken, { reference: 'r', ...other }, tenant).ok).toBe(true);
  });

  test.each([{}, { reference: null }])('that is none (%o) is nobody’s', (none) => {
    const taken: TakenReferences = new Map();
    for (let time = 0; time < 2; time++)
      expect(ask(taken, none)).toMatchObject({ ok: true, value: { reference: null } });
    expect(taken.size).toBe(0);
  });
});

test.each([undefined, false])(
  'a payment by gateway is refused where there is no provider (%s)',
  (gateways) => {
    expect(request('gateway', gateways)).toMatchObject({ problem: { code: 'payments.method_unavailable' } });
  },
);

test.each([
  ['balance', undefined, 1],
  ['balance', true, 1],
  ['gateway', true, 2],
] as const)('a payment by %s (providers: %s) is asked for in version %i', (method, gateways, version) => {
  const decided = request(method, gateways);
  if (!decided.ok) throw new Error(decided.problem.detail);
  const event = paymentRequested(decided.value, { requestId: 'req_1', traceparent: null });
  expect(event).toMatchObject({ version, data: { method } });
});
