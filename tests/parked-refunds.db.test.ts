/** A refund that its provider has made and that the ledger cannot post: a person makes room, and has it posted again. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RefundId } from '#kernel/ids.ts';
import { MAX_AMOUNT_MINOR } from '#kernel/money.ts';
import { verify } from '#proof/verify.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, startEngine } from './engine.ts';
import { GatewayDesk } from './gateway-desk.ts';
import { RefundPerson } from './refund-person.ts';

const AMOUNT = 100;
const REFUNDED = 40;

let database: TestDatabase;
let engine: Engine;
let desk: GatewayDesk;
let person: RefundPerson;

beforeEach(async () => {
  database = await createProductDatabase();
});

afterEach(async () => {
  await person.leave();
  await desk.close();
  await engine.close();
  await database.drop();
});

async function start(options: { readonly straightThrough: boolean }): Promise<void> {
  engine = await startEngine(database.url, { gateways: true, ...options });
  desk = await GatewayDesk.open(engine, database);
  person = new RefundPerson(database.url, engine);
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: BigInt(AMOUNT) },
    { id: 'service', kind: 'service' },
    { id: 'aside', kind: 'wallet' },
    { id: 'mint', kind: 'external' },
  ]);
}

/** Between the ledger's last word that it cannot be posted and the next. */
async function refusals(refund: RefundId, count: number): Promise<void> {
  await desk.wait(async () => {
    const { rowCount } = await desk.owner.query(
      `select from "authorization".events where subject = $1 and type = 'refund.reconciliation_required'`,
      [refund],
    );
    return rowCount === count;
  });
  await desk.until('reconciliation_required', refund);
}

async function rows(sql: string): Promise<unknown[]> {
  return (await desk.owner.query<Record<string, unknown>>(sql)).rows;
}

/** Nothing that the proof finds, and no verdict but of what has ended well. */
async function findings(): Promise<unknown[]> {
  await engine.settled();
  const { checks } = await verify({ url: database.url });
  return checks.flatMap((check) => check.findings);
}

test.each([{ straightThrough: false }, { straightThrough: true }])(
  'it is posted when a person orders it and there is room, once for each order (straight through: $straightThrough)',
  async (options) => {
    await start(options);
    const payment = await desk.pay('completed', { amount: AMOUNT });
    // As full as an account can be.
    await engine.transfer({ from: 'mint', to: 'wallet', amountMinor: MAX_AMOUNT_MINOR });
    const refund = await desk.refund(payment, REFUNDED, 'reconciliation_required');
    await refusals(refund, 1);
    expect(await rows('select failure_code from payments.refunds')).toEqual([
      { failure_code: 'ledger.amount_out_of_range' },
    ]);
    expect(await person.say(refund, 'not_refunded')).toBe(409);

    expect(await person.say(refund, 'refunded')).toBe(202);
    await refusals(refund, 2);
    expect(await findings()).toEqual([]);

    await engine.transfer({ from: 'wallet', to: 'aside', amountMinor: BigInt(REFUNDED) });
    const answers = await Promise.all([1, 2, 3].map(() => person.say(refund, 'refunded')));
    expect(answers.toSorted((a, b) => a - b)).toEqual([202, 409, 409]);
    await desk.until('completed', refund);
    expect(await person.say(refund, 'refunded')).toBe(409);
    expect(await findings()).toEqual([]);
    expect(
      await rows(
        `select a.id, b.posted::text, b.held::text from ledger.accounts a
         join ledger.balances b on b.account_key = a.key where a.id in ('service', 'wallet') order by a.id`,
      ),
    ).toEqual([
      { id: 'service', posted: String(AMOUNT - REFUNDED), held: '0' },
      { id: 'wallet', posted: String(MAX_AMOUNT_MINOR), held: '0' },
    ]);
    expect(await rows('select refunded::int, promised::int from payments.refund_totals')).toEqual([
      { refunded: REFUNDED, promised: REFUNDED },
    ]);
    expect(await rows('select distinct verdict from integrity.verdicts')).toEqual([{ verdict: 'complete' }]);
  },
  120_000,
);
