/** Gateway payments and refunds straight through (docs/adr/0011): the short cut begins at two logs, before a charge and behind it. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { partitionOf } from '#kernel/partition-of.ts';
import { CoordinatorInstallation, requested, told } from './coordinator-installation.ts';
import { TENANT } from './engine.ts';

let one: CoordinatorInstallation;
const others: CoordinatorInstallation[] = [];

/** Of several partitions. */
const WALLETS = Array.from({ length: 8 }, (_, index) => `wallet-${index}`);

beforeEach(async () => {
  one = await CoordinatorInstallation.create([
    { id: 'wallet', kind: 'wallet', fundedMinor: 1000n },
    ...WALLETS.map((id) => ({ id, kind: 'wallet' as const, fundedMinor: 1000n })),
    { id: 'service', kind: 'service' },
  ]);
});

afterEach(async () => {
  await Promise.all(others.splice(0).map((other) => other.stop()));
  await one.drop();
});

const ALL = ['validation', 'authorization', 'ledger'];

async function settled(): Promise<void> {
  await one.settled(ALL);
}

/** Which events stand in one commit, by the types of each. */
async function commitsOf(subject: string): Promise<string[][]> {
  const commits = new Map<string, string[]>();
  for (const { type, tx } of await one.timeline(subject)) commits.set(tx, [...(commits.get(tx) ?? []), type]);
  return [...commits.values()];
}

function expectNoStages(): void {
  expect(one.yields).toEqual([]);
  expect(ALL.map((group) => one.batches.get(group))).toEqual([undefined, undefined, undefined]);
}

async function balances(): Promise<unknown> {
  return one.rows(
    `select a.id, b.posted::int, b.held::int from ledger.accounts a join ledger.balances b on b.account_key = a.key
     where a.id in ('wallet', 'service') order by a.id desc`,
  );
}

function money(wallet: [posted: number, held: number], service: [posted: number, held: number]): unknown {
  return [
    { id: 'wallet', posted: wallet[0], held: wallet[1] },
    { id: 'service', posted: service[0], held: service[1] },
  ];
}

test('a gateway payment is authorized in one commit, and charged, posted and completed in one', async () => {
  one.startPassage();
  const payment = one.payment('requested');
  await one.append(payment);
  await settled();
  expect(await balances()).toEqual(money([1000, 100], [0, 0]));
  await one.append(told(payment, 'approved'));
  await settled();
  expect(await commitsOf(payment.subject)).toEqual([
    ['payment.requested'],
    ['payment.validated', 'payment.authorized'],
    ['provider.approved'],
    ['payment.charged', 'entry.posted', 'payment.completed'],
  ]);
  expect(await balances()).toEqual(money([900, 0], [100, 0]));
  expectNoStages();
});

test('a charge that the ledger cannot post is given back: the refusal and the order for it are one commit', async () => {
  one.startPassage();
  const payment = one.payment('requested');
  await one.append(payment);
  await settled();
  await one.rows(
    `update ledger.balances set status = 'closed' where account_key = (select key from ledger.accounts where id = 'service')`,
  );
  await one.append(told(payment, 'approved'));
  await settled();
  await one.append(told(payment, 'refunded'));
  await settled();
  expect((await commitsOf(payment.subject)).slice(3)).toEqual([
    ['payment.charged', 'posting.refused', 'payment.compensating'],
    ['provider.refunded'],
    ['payment.compensated'],
  ]);
  expect(await one.rows('select * from "authorization".compensations')).toEqual([]);
  expect(await balances()).toEqual(money([1000, 0], [0, 0]));
  expectNoStages();
});

/** Completed, and a person says now that it was not charged. */
async function givenDenied() {
  one.startPassage();
  const payment = one.payment('requested');
  await one.append(payment);
  await settled();
  await one.append(told(payment, 'approved'));
  await settled();
  await one.append(requested(payment, 'revoke'));
  await settled();
  return payment;
}

test('a completed payment that was not charged after all is reversed in one commit', async () => {
  const payment = await givenDenied();
  await one.append(told(payment, 'resolved not charged'));
  await settled();
  expect((await commitsOf(payment.subject)).slice(-3)).toEqual([
    ['payment.resolution_admitted', 'payment.charge_resolved'],
    ['provider.resolved'],
    ['payment.compensating', 'entry.posted', 'payment.compensated'],
  ]);
  expect(await balances()).toEqual(money([1000, 0], [0, 0]));
  expectNoStages();
});

test('one that can be reversed no more is left to a person, whose word lets it stand', async () => {
  const payment = await givenDenied();
  await one.rows(
    `update ledger.balances set status = 'closed' where account_key = (select key from ledger.accounts where id = 'wallet')`,
  );
  await one.append(told(payment, 'resolved not charged'));
  await settled();
  await one.append(requested(payment, 'say charged'));
  await settled();
  await one.append(told(payment, 'resolved charged'));
  await settled();
  expect((await commitsOf(payment.subject)).slice(-5)).toEqual([
    ['payment.compensating', 'posting.refused', 'payment.reconciliation_required'],
    ['payment.resolution_requested'],
    ['payment.resolution_admitted', 'payment.charge_resolved'],
    ['provider.resolved'],
    ['payment.upheld'],
  ]);
  expect(await one.stateOf(payment.subject)).toBe('completed');
  expect(await balances()).toEqual(money([900, 0], [100, 0]));
  expectNoStages();
});

test('refunds go straight through: of a balance payment in one commit, of a gateway payment in two', async () => {
  one.startPassage();
  const byGateway = one.payment('requested');
  const byBalance = one.payment('requested', { method: 'balance' });
  await one.append(byGateway, byBalance);
  await settled();
  await one.append(told(byGateway, 'approved'));
  await settled();
  const refunds = [one.refund('requested', byGateway, 40), one.refund('requested', byBalance, 30)] as const;
  await one.append(...refunds);
  await settled();
  expect(await balances()).toEqual(money([830, 0], [170, 40]));
  await one.append(told(refunds[0], 'refunded'));
  await settled();
  expect(await balances()).toEqual(money([870, 0], [130, 0]));
  expect(await commitsOf(refunds[0].subject)).toEqual([
    ['refund.requested'],
    ['refund.validated', 'refund.authorized'],
    ['provider.refunded'],
    ['refund.confirmed', 'entry.posted', 'refund.completed'],
  ]);
  expect(await commitsOf(refunds[1].subject)).toEqual([
    ['refund.requested'],
    ['refund.validated', 'refund.authorized', 'entry.posted', 'refund.completed'],
  ]);
  expectNoStages();
});

test('a cancel in the batch of its payment finds it completed, or calls it off, and one of a rejected payment is refused', async () => {
  const byGateway = one.payment('requested');
  const byBalance = one.payment('requested', { method: 'balance' });
  const rejected = one.payment('requested', { wallet: 'nobody' });
  const payments = [byGateway, byBalance, rejected];
  await one.append(...payments, ...payments.map((payment) => requested(payment, 'cancel')));
  one.startPassage();
  await settled();
  expect((await one.timeline(byGateway.subject)).map(({ type }) => type)).toEqual([
    'payment.requested',
    'payment.cancel_requested',
    'payment.validated',
    'payment.cancel_admitted',
    'payment.authorized',
    'payment.cancelling',
  ]);
  expect(await one.stateOf(byGateway.subject)).toBe('cancelling');
  expect(await one.stateOf(byBalance.subject)).toBe('completed');
  for (const payment of [byBalance, rejected])
    expect((await one.timeline(payment.subject)).at(-1)?.type).toMatch(/completed|cancel_refused/);
  expect(
    (
      await one.rows(
        `select subject, data::json->>'detail' as detail from "authorization".events where type = 'payment.cancel_refused' order by 2`,
      )
    ).map(({ detail }) => detail),
  ).toEqual([
    'The payment cannot be cancelled: it is completed.',
    'The payment cannot be cancelled: it is rejected.',
  ]);
  await one.append(told(byGateway, 'called off'));
  await settled();
  expect(await one.stateOf(byGateway.subject)).toBe('cancelled');
  expect(await balances()).toEqual(money([900, 0], [100, 0]));
  expectNoStages();
});

test('a partition that the stages have worked on comes back, and what waits at both entries is taken then', async () => {
  const payment = one.payment('validated', { wallet: 'wallet' });
  await one.append(payment);
  one.startPassage();
  // Between the links stands what validation has said: the stages have it.
  await settled();
  expect(one.yields.flat()).toContain(partitionOf(TENANT, 'wallet', one.log.partitions));
  await one.append(told(payment, 'approved'));
  await settled();
  expect(await one.stateOf(payment.subject)).toBe('completed');
  await expect
    .poll(
      async () => {
        const next = one.payment('requested', { amount: 1 });
        await one.append(next);
        await settled();
        await one.append(told(next, 'approved'));
        await settled();
        return commitsOf(next.subject);
      },
      { timeout: 20_000, interval: 50 },
    )
    .toEqual([
      ['payment.requested'],
      ['payment.validated', 'payment.authorized'],
      ['provider.approved'],
      ['payment.charged', 'entry.posted', 'payment.completed'],
    ]);
});

test('R1: two processes with the short cut and one by stages do each step of a gateway payment once', async () => {
  one.startPassage();
  for (const passage of [true, false]) {
    const other = await CoordinatorInstallation.open(one.database);
    others.push(other);
    if (passage) other.startPassage();
    else other.startStages();
  }
  const payments = Array.from({ length: 40 }, (_, index) =>
    one.payment('requested', { wallet: WALLETS[index % WALLETS.length] ?? '', amount: 1 + index }),
  );
  for (let from = 0; from < payments.length; from += 8) {
    const some = payments.slice(from, from + 8);
    await one.append(...some);
    await settled();
    await one.append(...some.map((payment) => told(payment, 'approved')));
  }
  await settled();
  const states = await Promise.all(payments.map(({ subject }) => one.stateOf(subject)));
  expect(new Set(states)).toEqual(new Set(['completed']));
  expect(
    await one.rows(`select count(*)::int as n, sum(amount)::int as paid from ledger.entries e
     join ledger.postings p on p.entry_id = e.id and amount > 0 where purpose = 'payment'`),
  ).toEqual([{ n: 40, paid: 820 }]);
  const types = await one.rows(
    `select type, count(*)::int as n from "authorization".events group by 1 order by 1`,
  );
  expect(types).toEqual(
    ['payment.authorized', 'payment.charged', 'payment.completed'].map((type) => ({ type, n: 40 })),
  );
});
