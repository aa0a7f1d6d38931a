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

/** Payments and refunds of several partitions, of which every kind is under way or over. */
async function payEverything(): Promise<void> {
  const payments = WALLETS.map((wallet, index) =>
    one.payment('requested', { wallet, method: index % 4 === 3 ? 'balance' : 'gateway' }),
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
    requested(d, 'cancel'),
  );
  await settled();
  await one.append(
    requested(c, 'say charged'),
    requested(c, 'cancel'),
    requested(a, 'cancel'),
    requested(e, 'say not charged'),
    one.refund('requested', f, 60),
  );
  await settled();
  await one.append(told(c, 'resolved charged'), told(e, 'resolved not charged'), told(d, 'called off'));
  await settled();
  const states = await one.rows('select distinct state from "authorization".sagas order by 1');
  expect(states.map(({ state }) => state)).toEqual(['cancelled', 'compensated', 'completed', 'declined']);
}

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
    one.startPassage();
    await payEverything();
    await one.stop();
    const before = await dumpTables(one.database.url);
    for (const group of ['authorization', 'ledger']) {
      await setBack(one.database.url, [group]);
      await DELIVERIES[group]?.(one.database.url, { batchMax, clock: systemClock });
    }
    expect(await dumpTables(one.database.url)).toEqual(before);
  },
);
