import { describe, expect, test } from 'vitest';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import { type AccountGlance, accountRef } from '#services/ledger/contract.ts';
import { type Accounts, answer, HANDLES } from './answer-request.ts';

const TERMS = { wallet_id: 'wallet', service_id: 'service', amount: 7, currency: 'USD' };

function asked(type: string, data: JsonObject): LogEvent {
  return {
    topic: 'payments',
    partition: 0,
    position: 3,
    type,
    version: 1,
    subject: type.startsWith('refund.') ? 'ref_1' : 'pay_1',
    tenant: 'acme',
    key: 'wallet',
    data,
    occurredAt: 0,
    correlationId: 'cor_1',
    causation: 'req_1',
    traceparent: null,
  };
}

function accounts(service: Partial<AccountGlance> = {}): Accounts {
  const open: AccountGlance = { currency: 'USD', status: 'open' };
  return new Map([
    [accountRef({ tenant: 'acme', id: 'wallet' }), open],
    [accountRef({ tenant: 'acme', id: 'service' }), { ...open, ...service }],
  ]);
}

const NOBODY: Accounts = new Map([
  [accountRef({ tenant: 'acme', id: 'wallet' }), { currency: 'USD', status: 'open' }],
]);

test('everything that is handled is answered, by an event that it causes about the same subject', () => {
  for (const type of HANDLES.keys()) {
    const event = asked(type, { ...TERMS, method: 'balance' });
    expect(answer(accounts(), event)).toMatchObject({
      subject: event.subject,
      key: 'wallet',
      causation: 'payments/0/3',
    });
  }
});

describe.each([
  ['payment', 'balance', 1],
  ['payment', 'gateway', 2],
  ['refund', 'balance', 1],
  ['refund', 'gateway', 1],
] as const)('of a %s by %s', (what, method, version) => {
  const terms = what === 'payment' ? { ...TERMS, method } : { payment_id: 'pay_1', ...TERMS, method };
  const event = asked(`${what}.requested`, { ...terms, reference: null, reason: null });

  test('the terms are passed on', () => {
    expect(answer(accounts(), event)).toMatchObject({ type: `${what}.validated`, version });
    expect(answer(accounts(), event).data).toEqual(terms);
  });

  test.each([
    ['validation.account_not_found', NOBODY],
    ['validation.account_closed', accounts({ status: 'closed' })],
    ['validation.currency_mismatch', accounts({ currency: 'EUR' })],
  ])('%s is why it is rejected', (code, known) => {
    const rejected = answer(known, event);
    expect(rejected).toMatchObject({ type: `${what}.rejected`, version });
    const { detail, ...rest } = rejected.data;
    expect(detail).toMatch(/service account service/);
    expect(rest).toEqual({ ...terms, code });
  });
});

test.each([
  ['payment.cancel_requested', 'payment.cancel_admitted', { actor: 'key_1' }],
  [
    'payment.resolution_requested',
    'payment.resolution_admitted',
    { outcome: 'charged', reason: 'so', actor: 'key_1' },
  ],
])('%s is handed on as it is', (type, admitted, data) => {
  const drafted = answer(NOBODY, asked(type, data));
  expect(drafted).toMatchObject({ type: admitted, version: 1, subject: 'pay_1' });
  expect(drafted.data).toEqual(data);
});
