/** Undoing a completed payment whose wallet is closed: what is told, and how a person brings it to an end. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PaymentId } from '#kernel/ids.ts';
import { verify } from '#proof/verify.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, startEngine } from './engine.ts';
import { GatewayDesk } from './gateway-desk.ts';

const AMOUNT = 100;

let database: TestDatabase;
let engine: Engine;
let desk: GatewayDesk;

beforeEach(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url, { gateways: true });
  desk = await GatewayDesk.open(engine, database);
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: BigInt(AMOUNT) },
    { id: 'service', kind: 'service' },
  ]);
});

afterEach(async () => {
  await desk.close();
  await engine.close();
  await database.drop();
});

async function rows(sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
  const found = await desk.owner.query<Record<string, unknown>>(sql, [...values]);
  return found.rows;
}

async function said(payment: PaymentId): Promise<unknown[]> {
  const events = await rows('select type from "authorization".events where subject = $1 order by position', [
    payment,
  ]);
  return events.map(({ type }) => type);
}

function balances(): Promise<Record<string, unknown>[]> {
  return rows(
    `select a.id, b.status, b.posted::int, b.held::int from ledger.accounts a join ledger.balances b on b.account_key = a.key
     where a.id in ('service', 'wallet') order by a.id`,
  );
}

function deny(payment: PaymentId, regarding: 'charge' | 'completion'): Promise<unknown> {
  return desk.change({
    operation: 'payments.resolve',
    payment_id: payment,
    outcome: 'not_charged',
    reason: 'Not in their book.',
    regarding,
  });
}

async function findings(): Promise<unknown[]> {
  await engine.settled();
  const { checks } = await verify({ url: database.url });
  return checks.flatMap((check) => check.findings);
}

/** Everything is asked for as of a payment that stands. */
const STANDING = [
  { id: 'service', status: 'open', posted: AMOUNT, held: 0 },
  { id: 'wallet', status: 'closed', posted: 0, held: 0 },
];

test('a payment whose wallet is closed is not begun to be undone, and stays completed', async () => {
  const payment = await desk.pay('completed', { amount: AMOUNT });
  await engine.closeAccount('wallet');
  await deny(payment, 'completion');
  await desk.wait(async () => (await said(payment)).includes('payment.resolution_refused'));
  await engine.settled();
  const [refusal] = await rows(
    `select version, data from "authorization".events where type = 'payment.resolution_refused'`,
  );
  expect(refusal?.['version']).toBe(2);
  expect(JSON.parse(String(refusal?.['data']))).toEqual({
    code: 'ledger.account_closed',
    detail: 'The payment cannot be undone: account wallet is closed. It stays completed.',
  });
  expect(await rows('select status, failure_code from payments.payments')).toEqual([
    { status: 'completed', failure_code: null },
  ]);
  expect(await rows('select undo_requested_at from payments.refund_totals')).toEqual([
    { undo_requested_at: null },
  ]);
  expect(await rows('select state from providers.attempts')).toEqual([{ state: 'approved' }]);
  expect(await balances()).toEqual(STANDING);
  expect(await findings()).toEqual([]);
});

/** The wallet is closed after it was decided to undo the payment, and before its posting is reversed. */
async function overtaken(): Promise<PaymentId> {
  const payment = await desk.pay('completed', { amount: AMOUNT });
  engine.pause('ledger');
  await deny(payment, 'completion');
  await desk.wait(async () => (await said(payment)).includes('payment.compensating'));
  await engine.closeAccount('wallet');
  engine.resume('ledger');
  await desk.until('reconciliation_required', payment);
  return payment;
}

test('one that cannot be undone any more waits for a person at once, who lets it stand', async () => {
  const payment = await overtaken();
  expect(await rows('select failure_code, failure_detail from payments.payments')).toEqual([
    { failure_code: 'payments.compensation_failed', failure_detail: 'Account wallet is closed.' },
  ]);
  expect(await rows('select from payments.reconciliations')).toHaveLength(1);
  expect(await findings()).toEqual([]);
  expect(await rows('select verdict from integrity.verdicts')).toEqual([]);

  await deny(payment, 'charge');
  await desk.wait(
    async () => (await said(payment)).filter((type) => /required/.test(String(type))).length === 2,
  );
  await desk.resolve(payment, 'charged', 'completed');
  expect((await said(payment)).slice(-2)).toEqual(['payment.charge_resolved', 'payment.upheld']);
  expect(await rows('select failure_code from payments.payments')).toEqual([{ failure_code: null }]);
  expect(await rows('select undo_requested_at from payments.refund_totals')).toEqual([
    { undo_requested_at: null },
  ]);
  expect(await rows('select from "authorization".compensations')).toEqual([]);
  expect(await rows('select from payments.reconciliations')).toEqual([]);
  expect(await rows('select state from providers.attempts')).toEqual([{ state: 'approved' }]);
  expect(await balances()).toEqual(STANDING);
  expect(await findings()).toEqual([]);

  await deny(payment, 'completion');
  await desk.wait(async () => (await said(payment)).includes('payment.resolution_refused'));
  expect(await findings()).toEqual([]);
  expect(await rows('select verdict from integrity.verdicts')).toEqual([{ verdict: 'complete' }]);
});
