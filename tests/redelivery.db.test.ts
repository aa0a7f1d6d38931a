import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { startEngine } from './engine.ts';
import { type PaidInstallation, payEveryEnding } from './paid-installation.ts';
import { ask, DELIVERIES, type Delivery, dumpTables, setBack } from './redelivery.ts';

let installation: PaidInstallation;
let url: string;
let before: Record<string, string[]>;

beforeAll(async () => {
  installation = await payEveryEnding();
  ({ url } = installation.database);
  before = await dumpTables(url);
});

afterAll(() => installation.database.drop());

const HOUR_MS = 3_600_000;
const later = { now: () => systemClock.now() + HOUR_MS };

const WAYS: readonly (Delivery & { readonly way: string })[] = [
  { way: 'at once', batchMax: 1000, clock: systemClock },
  { way: 'an hour later', batchMax: 1000, clock: later },
  { way: 'an hour later in batches of 7', batchMax: 7, clock: later },
  { way: 'an hour later one by one', batchMax: 1, clock: later },
];
/** What these do depends on the age of an event and on what comes with it; for the others two ways tell as much. */
const TIMELY = ['payments', 'integrity'];
const TELLING = ['an hour later in batches of 7', 'an hour later one by one'];

const CASES = Object.keys(DELIVERIES).flatMap((group) =>
  WAYS.filter(({ way }) => TIMELY.includes(group) || TELLING.includes(way)).map((way) => ({ group, ...way })),
);

/** Tried with what they call, in tests/hub.e2e.test.ts. */
const HUBS = /^hub\./;

test('every consumer group is tried', () => {
  const groups = TOPOLOGY.groups.map(({ group }) => group).filter((group) => !HUBS.test(group));
  expect(Object.keys(DELIVERIES).toSorted()).toEqual(groups.toSorted());
});

test('the payments to deliver again came to every end there is', () => {
  const { completed, declined, rejected, failed } = installation;
  expect([completed, declined, rejected, failed].every((ids) => ids.length > 1)).toBe(true);
  expect(before['integrity.followed']).toEqual([]);
});

test.each(CASES)(
  'U3: $group changes nothing when every event is delivered again $way',
  async ({ group, ...way }) => {
    await setBack(url, [group]);
    await DELIVERIES[group]?.(url, way);
    expect(await dumpTables(url)).toEqual(before);
  },
);

test('U3: all groups at once change nothing when every event is delivered again', async () => {
  const groups = Object.keys(DELIVERIES);
  await setBack(url, groups);
  await Promise.all(
    Object.values(DELIVERIES).map((deliver) => deliver(url, { batchMax: 1000, clock: systemClock })),
  );
  expect(await dumpTables(url)).toEqual(before);
});

test.each(WAYS)(
  'U15: verdicts that were wiped are the same again when the logs are judged anew $way',
  async (way) => {
    await ask(url, 'truncate integrity.verdicts, integrity.followed');
    await setBack(url, ['integrity']);
    await DELIVERIES['integrity']?.(url, way);
    const { 'integrity.verdicts': verdicts = [], ...others } = await dumpTables(url);
    const { 'integrity.verdicts': expected = [], ...unchanged } = before;
    expect(verdicts.map(withoutInstant)).toEqual(expected.map(withoutInstant));
    expect(others).toEqual(unchanged);
  },
);

/** A row's text ends with when it was verified. */
function withoutInstant(row: string): string {
  return row.replace(/,[^,]*\)$/, '');
}

/** Payments held up before a group: two to be posted, one of them to be refused. */
async function givenPaymentsBefore(group: 'ledger' | 'authorization'): Promise<TestDatabase> {
  const database = await createProductDatabase();
  const engine = await startEngine(database.url);
  try {
    await engine.openAccounts([
      { id: 'wallet', kind: 'wallet', fundedMinor: 1000n },
      { id: 'service', kind: 'service' },
      { id: 'closing', kind: 'service' },
    ]);
    engine.pause('ledger');
    await Promise.all([engine.submit({ amount: 10 }), engine.submit({ service_id: 'closing', amount: 20 })]);
    await engine.settled(['validation', 'authorization', 'payments']);
    await engine.closeAccount('closing');
    if (group === 'authorization') {
      engine.pause('authorization');
      engine.resume('ledger');
      await engine.settled(['ledger']);
    }
    return database;
  } finally {
    await engine.close();
  }
}

test.each([
  { held: 'ledger', again: 'authorization', state: 'funds are held and nothing is posted' },
  { held: 'ledger', again: 'validation', state: 'funds are held and nothing is posted' },
  {
    held: 'authorization',
    again: 'ledger',
    state: 'one is posted, the other refused with its hold still open',
  },
  {
    held: 'authorization',
    again: 'payments',
    state: 'one is posted, the other refused with its hold still open',
  },
] as const)(
  'U3: while $state, $again changes nothing when its events come again',
  async ({ held, again }) => {
    const database = await givenPaymentsBefore(held);
    try {
      const midway = await dumpTables(database.url);
      await setBack(database.url, [again]);
      await DELIVERIES[again]?.(database.url, { batchMax: 7, clock: later });
      expect(await dumpTables(database.url)).toEqual(midway);
    } finally {
      await database.drop();
    }
  },
);
