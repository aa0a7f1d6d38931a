import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import { causationsStatement } from '#platform/log/own-effects.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Statement } from '#platform/postgres/session.ts';
import { failuresByAddedColumn } from '../../../tests/added-column.ts';
import { PaymentDesk } from '../../../tests/payment-desk.ts';
import { hotPlan, readPlan, statementsOf } from '../../../tests/query-plan.ts';
import { listReconciliations, listRefundIds, listRefundTotals } from './audit-refunds.ts';
import { PaymentReads } from './reads.ts';
import { RefundReads } from './refund-reads.ts';
import * as refundStore from './refund-store.ts';
import { FORGET_RECONCILIATIONS, NOTE_RECONCILIATIONS } from './store.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;
const TENANT = 'acme';

const PAYMENT = 'payments_pkey';
const REFUND = 'refunds_pkey';
const TOTALS = 'refund_totals_pkey';
const WAITING = 'reconciliations_pkey';
const TIMELINE = ['events_000000_subject_idx', 'events_000001_subject_idx', 'events_000002_subject_idx'];

/** Each statement of the workers with the indexes it stands on, whatever the tables hold. */
const HOT: readonly (readonly [Statement, readonly string[]])[] = [
  [refundStore.LOCK_TOTALS, [TOTALS]],
  [refundStore.LOAD_CHANGEABLE, [PAYMENT, TOTALS]],
  [refundStore.LOAD_TOTALS, [TOTALS]],
  [refundStore.LOAD_REFUNDS, [REFUND]],
  [refundStore.INSERT_REFUNDS, []],
  [refundStore.INSERT_TOTALS, []],
  [refundStore.UPDATE_TOTALS, [TOTALS]],
  [refundStore.UPDATE_REFUNDS, [REFUND]],
  [NOTE_RECONCILIATIONS, [PAYMENT]],
  [FORGET_RECONCILIATIONS, [PAYMENT, WAITING]],
  [causationsStatement('validation'), TIMELINE],
];

let desk: PaymentDesk;

beforeAll(async () => {
  desk = await PaymentDesk.open();
  await desk.settled();
});

afterAll(() => desk.close());

function pinPlans(): void {
  test.each(HOT)('$name looks up, whatever it is given', async (statement, indexes) => {
    const plan = await hotPlan(desk.url, statement);
    expect(plan).toMatchObject({ indexes, faults: [], sorts: [] });
  });
}

test('every statement about refunds is pinned here', () => {
  const statements = statementsOf(refundStore);
  const pinned = new Set(HOT.map(([{ name }]) => name));
  expect(statements.filter(({ name }) => !pinned.has(name))).toEqual([]);
});

test('no statement fails in a live session when a migration adds a column', async () => {
  const statements = HOT.map(([statement]) => statement);
  const tables = ['payments.payments', 'payments.refunds', 'payments.refund_totals'];
  expect(await failuresByAddedColumn(desk.url, { tables, statements })).toEqual([]);
});

describe('on tables that statistics call empty', () => {
  beforeAll(() => desk.owner.query('vacuum analyze'));

  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(fill);

  pinPlans();

  const uuid = '01a1d2b6-4ca8-78a9-4544-cf2fd7d28367';
  const page = { before: uuid, limit: 51 };
  const READS: readonly (readonly [string, (reader: Reader) => Promise<unknown>, readonly string[]])[] = [
    ['a refund', (reader) => new RefundReads(reader).find(TENANT, uuid), [REFUND]],
    [
      'a page of a payment’s refunds',
      (reader) => new RefundReads(reader).list(TENANT, uuid, page),
      ['refunds_payment'],
    ],
    ['a page of refunds', (reader) => new RefundReads(reader).listAll(TENANT, page), [REFUND]],
    [
      'a page of refunds that wait for a person',
      (reader) => new RefundReads(reader).listInDoubt(TENANT, page),
      ['refunds_in_doubt'],
    ],
    [
      'a page of what waits for a person',
      (reader) =>
        new PaymentReads(reader).list(TENANT, { status: 'reconciliation_required', walletId: 'w' }, page),
      [PAYMENT, WAITING, TOTALS],
    ],
    [
      'a page of refunds to be proved',
      (reader) => listRefundIds(reader, { tenant: TENANT, uuid }, 51),
      [REFUND],
    ],
    [
      'a page of totals to be proved',
      (reader) => listRefundTotals(reader, { tenant: TENANT, uuid }, 51),
      [TOTALS],
    ],
    [
      'a page of who waits, to be proved',
      (reader) => listReconciliations(reader, { tenant: TENANT, uuid }, 51),
      [WAITING],
    ],
  ];

  test.each(READS)('%s is read by look-ups', async (_what, read, indexes) => {
    const asked: { text: string; values: readonly unknown[] }[] = [];
    const recording: Reader = {
      async query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
        asked.push({ text, values });
        return (await desk.owner.query<Row & object>(text, [...values])).rows;
      },
    };
    await read(recording);
    const plans = await Promise.all(asked.map(({ text, values }) => readPlan(desk.url, text, values)));
    expect(plans.flatMap(({ faults }) => faults)).toEqual([]);
    expect([...new Set(plans.flatMap((plan) => plan.indexes))].toSorted()).toEqual(indexes.toSorted());
  });
});

async function fill(): Promise<void> {
  const n = `generate_series(1, ${ROWS}) n`;
  await desk.owner.query(
    `insert into payments.payments (tenant, id, wallet_id, service_id, amount, currency, method, status, correlation_id,
                                    created_at, updated_at)
     select '${TENANT}', gen_random_uuid(), 'w-' || n % 10000, 's', 1, 'USD', 'gateway', 'completed', 'c', now(), now() from ${n};
     insert into payments.refunds (tenant, id, payment_id, amount, currency, status, correlation_id, created_at, updated_at)
     select '${TENANT}', gen_random_uuid(), gen_random_uuid(), 1, 'USD', 'completed', 'c', now(), now() from ${n};
     insert into payments.refund_totals select '${TENANT}', payment_id, 1, 1, 1 from payments.refunds;
     insert into payments.reconciliations select '${TENANT}', gen_random_uuid() from ${n};
     insert into validation.events
     select 0, 1000 + n, 'tick', 1, '${idOf('pay', '01a1d2b6-4ca8-78a9-4544-cf2fd7d28367')}' || n, '${TENANT}', 'k', '{}', now(), 'c', 'r'
     from ${n}`,
  );
  await desk.owner.query('vacuum analyze');
}
