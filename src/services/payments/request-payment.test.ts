import { expect, test } from 'vitest';
import { NOW, PAYMENT_UUID } from './payment-fixture.ts';
import { paymentRequested, requestPayment } from './request-payment.ts';

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
