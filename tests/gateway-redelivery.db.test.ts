/** U3: gateway payments and refunds, straight through or by stages, when everything about them comes again. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { type Appended, CoordinatorInstallation, requested, told } from './coordinator-installation.ts';
import { DELIVERIES, dumpTables, setBack } from './redelivery.ts';

const ALL = ['validation', 'authorization', 'ledger'];

let one: CoordinatorInstallation;
const others: CoordinatorInstallation[] = [];

/** Of several partitions. */
const WALLETS = Array.from({ length: 8 }, (_, index) => `wallet-${index}`);

beforeEach(async () => {
  one = await CoordinatorInstallation.create([
    ...WALLETS.map((id) => ({ id, kind: 'wallet' as const, fundedMinor: 1000n })),
    { id: 'service', kind: 'service' },
  ]);
});

afterEach(async () => {
  await Promise.all(others.splice(0).map((other) => other.stop()));
  await one.drop();
});

async function settled(): Promise<void> {
  await one.settled(ALL);
}

function sixByGateway(
  payments: readonly Appended[],
): [Appended, Appended, Appended, Appended, Appended, Appended] {
  const [a, b, c, d, e, f] = payments.filter(({ data }) => data['method'] === 'gateway');
  if (!a || !b || !c || !d || !e || !f) throw new Error('six are needed');
  return [a, b, c, d, e, f];
}

type Way = 'straight' | 'by stages';

/** Payments and refunds of several partitions, of which every kind is under way or over. */
async function payEverything(way: Way = 'straight'): Promise<void> {
  const [asked, say] =
    way === 'straight' ? (['requested', requested] as const) : (['validated', told] as const);
  const payments = WALLETS.map((wallet, index) =>
    one.payment(asked, { wallet, method: index % 4 === 3 ? 'balance' : 'gateway' }),
  );
  await one.append(...payments);
  await settled();
  const [a, b, c, d, e, f] = sixByGateway(payments);
  await one.append(
    told(a, 'approved'),
    told(b, 'declined'),
    told(c, 'unresolved'),
    told(e, 'approved'),
    told(f, 'approved'),
    say(d, 'cancel'),
  );
  await settled();
  const balance = payments.find(({ data }) => data['method'] === 'balance') ?? a;
  const refunds = [
    one.refund(asked, f, 60),
    one.refund(asked, f, 30),
    one.refund(asked, a, 20),
    one.refund(asked, balance, 70),
    one.refund(asked, balance, 1_000_000),
  ] as const;
  await one.append(say(c, 'say charged'), say(c, 'cancel'), say(a, 'cancel'), say(e, 'revoke'), ...refunds);
  await settled();
  await one.append(
    told(c, 'resolved charged'),
    told(e, 'resolved not charged'),
    told(d, 'called off'),
    told(refunds[0], 'refunded'),
    told(refunds[1], 'refund refused'),
    told(refunds[2], 'refund unresolved'),
  );
  await settled();
}

async function outcome(): Promise<unknown> {
  const [states, refunds, balances] = await Promise.all([
    one.rows('select wallet_id, state from "authorization".sagas order by 1'),
    one.rows('select wallet_id, amount::int, state from "authorization".refund_sagas order by 1, 2'),
    one.rows(
      `select a.id, b.posted::int, b.held::int from ledger.accounts a join ledger.balances b on b.account_key = a.key order by 1`,
    ),
  ]);
  return [...states, ...refunds, ...balances].map((row) => Object.values(row).join(' '));
}

test.each(['straight', 'by stages'] as const)('%s, everything comes to the same end', async (way) => {
  if (way === 'straight') one.startPassage();
  else one.startStages();
  await payEverything(way);
  expect(await outcome()).toEqual(OUTCOME);
  expect(one.yields).toEqual([]);
});

/** Each wallet had 1000 and asked for 100. */
const OUTCOME = [
  'wallet-0 completed',
  'wallet-1 declined',
  'wallet-2 completed',
  'wallet-3 completed',
  'wallet-4 cancelled',
  'wallet-5 compensated',
  'wallet-6 completed',
  'wallet-7 completed',
  'wallet-0 20 reconciling',
  'wallet-3 70 completed',
  'wallet-3 1000000 declined',
  'wallet-6 30 failed',
  'wallet-6 60 completed',
  'outside-USD -8000 0',
  'service 370 20',
  'wallet-0 900 0',
  'wallet-1 1000 0',
  'wallet-2 900 0',
  'wallet-3 970 0',
  'wallet-4 1000 0',
  'wallet-5 1000 0',
  'wallet-6 960 0',
  'wallet-7 900 0',
];

test('by stages, a cancel in the batch of its payment calls it off before it is posted', async () => {
  const payment = one.payment('validated', { method: 'balance', wallet: 'wallet-0' });
  await one.append(payment, told(payment, 'cancel'));
  one.startStages();
  await settled();
  expect((await one.timeline(payment.subject)).map(({ type }) => type).toSorted()).toEqual([
    'payment.authorized',
    'payment.cancel_admitted',
    'payment.cancelled',
    'payment.cancelling',
    'payment.validated',
    'posting.refused',
  ]);
  expect(await outcome()).toContain('wallet-0 1000 0');
  expect(await one.rows('select state from ledger.holds')).toEqual([{ state: 'released' }]);
});

test.each([
  { again: 'at both entries', groups: ['validation', 'authorization'] },
  { again: 'of requests', groups: ['validation'] },
  { again: 'of what providers say', groups: ['authorization'] },
  { again: 'everywhere', groups: ALL },
])('U3: nothing changes when the events come again $again', async ({ groups }) => {
  one.startPassage();
  await payEverything();
  await one.stop();
  const before = await dumpTables(one.database.url);
  await setBack(one.database.url, groups);
  const again = await CoordinatorInstallation.open(one.database);
  others.push(again);
  again.startPassage();
  await again.settled(ALL);
  await again.stop();
  expect(await dumpTables(one.database.url)).toEqual(before);
});

test.each([1, 7])(
  'U3: nothing changes when the events come again to the stages, %i at a time',
  async (batchMax) => {
    one.startStages();
    await payEverything('by stages');
    await one.stop();
    const before = await dumpTables(one.database.url);
    for (const group of ['authorization', 'ledger']) {
      await setBack(one.database.url, [group]);
      await DELIVERIES[group]?.(one.database.url, { batchMax, clock: systemClock });
    }
    expect(await dumpTables(one.database.url)).toEqual(before);
  },
);
