/** The checker finds each lie that is planted in a history, and nothing in one that is sound. */
import { expect, test } from 'vitest';
import { checkHistory } from './check-history.ts';
import {
  account,
  BALANCES,
  CANCELLED,
  CHARGE,
  CHARGED,
  documentOf,
  ended,
  orderOf,
  PAID,
  PAYMENTS,
  refundOf,
  Tale,
  told,
} from './history-fixture.ts';

async function findings(tale: Tale): Promise<string[]> {
  const { findings: found } = await checkHistory(tale.records);
  return found.map(({ rule, subject }) => `${rule} ${subject}`);
}

const payments = { path: '/v1/payments', body: orderOf(PAID) };

test('a sound history has no findings', async () => {
  const tale = told().order('payment', PAID.id, {
    ...payments,
    answer: documentOf({ ...PAID, refunded: 0 }, 'pending'),
  });
  const judgement = await checkHistory(ended(tale).records);
  expect(judgement).toEqual({
    findings: [],
    payments: { completed: 2, cancelled: 1 },
    refunds: { completed: 1 },
    cardTransactions: {},
    acknowledged: { entry: 1, payment: 3, refund: 1, cancel: 1 },
  });
});

test('T1: a replay that differs by a byte', async () => {
  const answer = { ...documentOf({ ...PAID, refunded: 0 }, 'pending'), description: null };
  expect(await findings(ended(told().order('payment', PAID.id, { ...payments, answer })))).toEqual([
    'T1 /v1/payments',
  ]);
});

test('T1: a replay with another status', async () => {
  const answer = documentOf({ ...PAID, refunded: 0 }, 'pending');
  const tale = told().order('payment', PAID.id, { ...payments, status: 200, answer });
  expect(await findings(ended(tale))).toEqual(['T1 /v1/payments']);
});

test.each([400, 401, 429, 500])('T1: %i to what was sent right', async (status) => {
  const tale = told().order('payment', 'other', { ...payments, status, answer: { code: 'x' } });
  expect(await findings(ended(tale))).toEqual(['T1 /v1/payments', 'T2 payment other']);
});

test('T1: another request under the same key is taken, too', async () => {
  const body = { ...orderOf(PAID), amount: 101 };
  const other = { id: 'pay_4', method: 'balance', amount: 101, status: 'completed' } as const;
  const tale = told().order('payment', PAID.id, {
    path: '/v1/payments',
    body,
    answer: documentOf(other, 'pending'),
  });
  const balances = { ...BALANCES, w: 779, shop: 221 };
  expect(await findings(ended(tale, { payments: [...PAYMENTS, other], balances }))).toEqual([
    `T1 payment ${PAID.id}`,
  ]);
});

test('T1: another request under the same key is refused: that is right', async () => {
  const body = { ...orderOf(PAID), amount: 101 };
  const answer = { code: 'payments.idempotency_key_reused' };
  const tale = told().order('payment', PAID.id, { path: '/v1/payments', body, status: 422, answer });
  expect(await findings(ended(tale))).toEqual([]);
});

test('T2: a request that is never decided', async () => {
  expect(await findings(ended(told().lost('payment', 'away', payments)))).toEqual(['T2 payment away']);
});

test('T3: a payment is lost', async () => {
  const balances = { ...BALANCES, w: 930, shop: 70 };
  const found = await findings(ended(told(), { payments: [PAID, CANCELLED], balances, book: [] }));
  expect(found).toEqual([`T3 ${CHARGED.id}`, `T3 ${CHARGED.id}`]);
});

test('T3: a payment that nobody asked for', async () => {
  const alien = { id: 'pay_9', method: 'balance', amount: 1, status: 'completed' } as const;
  const balances = { ...BALANCES, w: 879, shop: 121 };
  expect(await findings(ended(told(), { payments: [...PAYMENTS, alien], balances }))).toContain('T3 pay_9');
});

test('T3: a payment without an end', async () => {
  const waiting = { ...CANCELLED, status: 'authorized' };
  expect(await findings(ended(told(), { payments: [PAID, CHARGED, waiting] }))).toEqual([
    `T3 ${CANCELLED.id}`,
  ]);
});

test('T3: a payment that ended twice', async () => {
  const data = [{ type: 'payment.completed' }, { type: 'payment.completed' }];
  const tale = ended(told()).look(`/v1/payments/${PAID.id}/events`, { data, next_cursor: null });
  expect(await findings(tale)).toEqual([`T3 ${PAID.id}`]);
});

test('T3: a broken verdict', async () => {
  const subjects = PAYMENTS.map(({ id }) => `T3 ${id}`);
  expect(await findings(ended(told(), { verdict: 'broken' }))).toEqual(subjects);
});

test('T3: one payment for two keys', async () => {
  const answer = documentOf({ ...PAID, refunded: 0 }, 'pending');
  expect(await findings(ended(told().order('payment', 'other', { ...payments, answer })))).toEqual([
    `T3 ${PAID.id}`,
  ]);
});

test('T4: a status goes back', async () => {
  const tale = told()
    .look('/v1/payments/pay_2', documentOf(CHARGED, 'authorized'))
    .look('/v1/payments/pay_2', documentOf(CHARGED, 'pending'));
  expect(await findings(ended(tale))).toEqual(['T4 pay_2']);
});

test('T4: an end that changes', async () => {
  const tale = told().look('/v1/payments/pay_3', documentOf(CANCELLED, 'declined'));
  expect(await findings(ended(tale))).toEqual(['T4 pay_3']);
});

test('T4: looks that overlap may see either', async () => {
  const tale = told();
  const body = (status: string) => JSON.stringify(documentOf(CHARGED, status));
  tale.records.push({ type: 'looked', call: 901, path: '/v1/payments/pay_2' });
  tale.records.push({ type: 'looked', call: 902, path: '/v1/payments/pay_2' });
  tale.records.push({ type: 'saw', call: 902, status: 200, body: body('completed') });
  tale.records.push({ type: 'saw', call: 901, status: 200, body: body('authorized') });
  expect(await findings(ended(tale))).toEqual([]);
});

test('T5: another amount than asked for', async () => {
  const richer = { ...CANCELLED, amount: 71 };
  expect(await findings(ended(told(), { payments: [PAID, CHARGED, richer] }))).toEqual(['T5 pay_3']);
});

test('T6: more is said to be given back than the refunds say', async () => {
  const generous = { ...PAID, refunded: 60 };
  expect(await findings(ended(told(), { payments: [generous, CHARGED, CANCELLED] }))).toEqual(['T6 pay_1']);
});

test('T6: cancelled, and nobody asked for it', async () => {
  const stopped = { ...PAID, status: 'cancelled', refunded: 0 };
  const options = {
    payments: [stopped, CHARGED, CANCELLED],
    refund: refundOf('rejected'),
    balances: { ...BALANCES, w: 950, shop: 50 },
  };
  expect(await findings(ended(told(), options))).toEqual(['T6 pay_1']);
});

test('T6: a payment that needs no provider has failed', async () => {
  const failed = { ...PAID, status: 'failed', refunded: 0 };
  const options = {
    payments: [failed, CHARGED, CANCELLED],
    refund: refundOf('rejected'),
    balances: { ...BALANCES, w: 950, shop: 50 },
  };
  expect(await findings(ended(told(), options))).toEqual(['T6 pay_1']);
});

test('T7: a doubled debit', async () => {
  const found = await findings(ended(told(), { balances: { ...BALANCES, w: 780, shop: 220 } }));
  expect(found).toEqual(['T7 w', 'T7 shop']);
});

test('T7: a cent from nowhere', async () => {
  expect(await findings(ended(told(), { balances: { ...BALANCES, shop: 121 } }))).toEqual([
    'T7 shop',
    'T7 USD',
  ]);
});

test('T7: something is held at the end, or was overdrawn once', async () => {
  const held = ended(told()).look('/v1/accounts/w', account('w', 880, 10));
  expect(await findings(held)).toEqual(['T7 w']);
  expect(await findings(ended(told().look('/v1/accounts/w', account('w', 5, 6))))).toEqual(['T7 w']);
});

test('T7: an account that was not read', async () => {
  const { bank, w } = BALANCES;
  expect(await findings(ended(told(), { balances: { bank, w } }))).toEqual(['T7 USD', 'T7 shop']);
});

test.each([
  ['completed and never charged', []],
  ['charged twice', [CHARGE, { ...CHARGE, key: 'att_2' }]],
  ['charged another amount', [{ ...CHARGE, amount: 51 }]],
  [
    'charged and given back',
    [CHARGE, { ...CHARGE, kind: 'refund' as const, key: 'att_9', charge: 'att_1', status: 'succeeded' }],
  ],
  ['not ended', [{ ...CHARGE, status: 'pending' }]],
])('T8: a payment by a provider is %s', async (_what, book) => {
  expect(await findings(ended(told(), { book }))).toEqual(['T8 pay_2']);
});

test('T8: charged, and called off', async () => {
  const book = [CHARGE, { ...CHARGE, key: 'att_3', reference: CANCELLED.id, amount: 70 }];
  expect(await findings(ended(told(), { book }))).toEqual(['T8 pay_3']);
});

test('T8: a refund of a balance that a provider gave', async () => {
  const back = {
    ...CHARGE,
    kind: 'refund' as const,
    key: 'att_4',
    reference: 'ref_1',
    charge: 'att_x',
    amount: 30,
    status: 'succeeded',
  };
  expect(await findings(ended(told(), { book: [CHARGE, back] }))).toEqual(['T8 ref_1']);
});

test('T8: a charge that nobody asked for', async () => {
  const book = [CHARGE, { ...CHARGE, key: 'att_5', reference: 'pay_unknown' }];
  expect(await findings(ended(told(), { book }))).toEqual(['T8 pay_unknown']);
});

test('T9: two payments with one reference have moved money', async () => {
  const second = { ...CHARGED, id: 'pay_5', method: 'gateway' } as const;
  const tale = told().order('payment', 'again', {
    path: '/v1/payments',
    body: orderOf(second),
    answer: documentOf(second, 'pending'),
  });
  const options = {
    payments: [...PAYMENTS, second],
    balances: { ...BALANCES, w: 830, shop: 170 },
    book: [CHARGE, { ...CHARGE, key: 'att_6', reference: 'pay_5' }],
  };
  expect(await findings(ended(tale, options))).toEqual(['T9 pay_5']);
});

test('T9: refused for a payment that has another reference', async () => {
  const sent = { path: '/v1/payments', body: orderOf(CHARGED), status: 409 };
  const answer = (payment: string) => ({ code: 'payments.duplicate_reference', payment_id: payment });
  const right = told().order('payment', 'again', { ...sent, answer: answer(CHARGED.id) });
  expect(await findings(ended(right))).toEqual([]);
  const wrong = told().order('payment', 'again', { ...sent, answer: answer(PAID.id) });
  expect(await findings(ended(wrong))).toEqual(['T9 again']);
});

test('a history that was cut off is not sound', async () => {
  const found = await findings(told());
  expect(found).toContain('T3 payments');
  expect(found).toContain(`T3 ${PAID.id}`);
});

test('an empty history says that nothing was looked at', async () => {
  expect(await findings(new Tale())).toEqual(['T3 payments']);
});
