import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId, uuidOf } from '#kernel/ids.ts';
import { Session } from '#platform/postgres/session.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { type OpenCompensation, type PaymentSaga, type RefundSaga, Sagas } from './sagas.ts';
import { findCompensations, findRefundSagas, findSagas, saveSagas } from './store.ts';

const NOW = Date.UTC(2026, 10, 20, 12, 0, 0, 123);
const AMOUNT = Number.MAX_SAFE_INTEGER;

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createPreparedDatabase();
  session = new Session({ url: database.url, name: 'store' });
});

afterAll(async () => {
  await session.close();
  await database.drop();
});

/** In one commit, as a batch saves them. */
function save(change: (sagas: Sagas) => void, known?: ConstructorParameters<typeof Sagas>[0]): Promise<void> {
  return session.transaction(async (tx) => {
    const sagas = new Sagas(known);
    change(sagas);
    saveSagas(tx, sagas.changes(), NOW);
  });
}

const find = {
  payments: (uuids: string[]) => session.transaction((tx) => findSagas(tx, uuids)),
  refunds: (uuids: string[]) => session.transaction((tx) => findRefundSagas(tx, uuids)),
  compensations: (uuids: string[]) => session.transaction((tx) => findCompensations(tx, uuids)),
};

const TERMS = { wallet_id: 'wal-1234', service_id: 'abc-1234', amount: AMOUNT, currency: 'USD' };

function paymentSaga(): PaymentSaga {
  const terms = { ...TERMS, method: 'gateway' as const };
  return { uuid: uuidOf(newId('pay')), definition: 'payment.gateway/1', state: 'authorized', terms };
}

function refundSaga(): RefundSaga {
  const terms = { payment_id: newId('pay'), ...TERMS, method: 'gateway' as const };
  return { uuid: uuidOf(newId('ref')), definition: 'refund.gateway/1', state: 'authorized', terms };
}

test('sagas of payments and refunds come back as they were begun, and as they were moved', async () => {
  const [payments, refunds] = [
    [paymentSaga(), paymentSaga()],
    [refundSaga(), refundSaga()],
  ] as const;
  await save((sagas) => {
    for (const saga of payments) sagas.beginPayment(saga);
    for (const saga of refunds) sagas.beginRefund(saga);
  });
  const known = {
    payments: await find.payments(payments.map(({ uuid }) => uuid)),
    refunds: await find.refunds(refunds.map(({ uuid }) => uuid)),
  };
  expect([...known.payments.values()]).toEqual(payments);
  expect([...known.refunds.values()]).toEqual(refunds);
  await save((sagas) => {
    sagas.movePayment(payments[0], 'charged');
    sagas.movePayment(payments[0], 'completed');
    sagas.moveRefund(refunds[0], 'parked');
  }, known);
  expect(
    [...(await find.payments(payments.map(({ uuid }) => uuid))).values()].map(({ state }) => state),
  ).toEqual(['completed', 'authorized']);
  expect(
    [...(await find.refunds(refunds.map(({ uuid }) => uuid))).values()].map(({ state }) => state),
  ).toEqual(['parked', 'authorized']);
});

test('a saga begun and moved in one batch is written once, as it ends it', async () => {
  const [payment, refund] = [paymentSaga(), refundSaga()];
  await save((sagas) => {
    sagas.beginPayment(payment);
    sagas.movePayment(payment, 'cancelling');
    sagas.beginRefund(refund);
    sagas.moveRefund(refund, 'failed');
  });
  expect((await find.payments([payment.uuid])).get(payment.uuid)).toEqual({
    ...payment,
    state: 'cancelling',
  });
  expect((await find.refunds([refund.uuid])).get(refund.uuid)).toEqual({ ...refund, state: 'failed' });
});

const OPEN: Omit<OpenCompensation, 'paymentUuid'> = {
  steps: ['reverse_posting', 'refund_charge', 'release_hold'],
  code: 'ledger.insufficient_funds',
  detail: 'Not “enough”.',
  failures: 0,
  retryAt: null,
  ask: null,
};

test('what is to be undone comes back as it was kept, is replaced, and is gone at its end', async () => {
  const first: OpenCompensation = { ...OPEN, paymentUuid: uuidOf(newId('pay')) };
  const second: OpenCompensation = { ...OPEN, paymentUuid: uuidOf(newId('pay')) };
  const uuids = [second.paymentUuid, first.paymentUuid];
  await save((sagas) => {
    sagas.keepCompensation(first);
    sagas.keepCompensation(second);
  });
  expect(await find.compensations(uuids)).toEqual(
    new Map([first, second].map((open) => [open.paymentUuid, open])),
  );
  const failed: OpenCompensation = {
    ...first,
    steps: ['refund_charge', 'release_hold'],
    failures: 3,
    retryAt: NOW + 1,
    ask: JSON.stringify({ type: 'payment.compensating', data: { amount: AMOUNT, detail: '☼ "' } }),
  };
  await save((sagas) => {
    sagas.keepCompensation(failed);
    sagas.endCompensation(second.paymentUuid);
  });
  expect(await find.compensations(uuids)).toEqual(new Map([[failed.paymentUuid, failed]]));
  // Kept and ended in one batch: it leaves nothing, wherever it began.
  await save((sagas) => {
    sagas.keepCompensation({ ...failed, failures: 4 });
    sagas.endCompensation(failed.paymentUuid);
    sagas.keepCompensation(second);
    sagas.endCompensation(second.paymentUuid);
  });
  expect(await find.compensations(uuids)).toEqual(new Map());
});

test('one that is ended and begun anew in a batch is there', async () => {
  const open: OpenCompensation = { ...OPEN, paymentUuid: uuidOf(newId('pay')) };
  await save((sagas) => sagas.keepCompensation(open));
  await save((sagas) => {
    sagas.endCompensation(open.paymentUuid);
    sagas.keepCompensation({ ...open, failures: 1 });
  });
  expect(await find.compensations([open.paymentUuid])).toEqual(
    new Map([[open.paymentUuid, { ...open, failures: 1 }]]),
  );
});

test('nothing is found of what nobody knows, and nothing asked of nobody', async () => {
  const unknown = uuidOf(newId('pay'));
  for (const rows of [find.payments([unknown]), find.refunds([]), find.compensations([unknown])])
    expect((await rows).size).toBe(0);
});
