/** The short cut (docs/adr/0011): what it commits is what the stages would have committed, and it is never in their way. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { partitionOf } from '#kernel/partition-of.ts';
import { verify } from '#proof/verify.ts';
import { CRITICAL_GROUPS } from '../src/topology.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, PARTITIONS, startEngine, TENANT } from './engine.ts';
import { payWith } from './paid-installation.ts';
import { ask, dumpTables, setBack } from './redelivery.ts';

let database: TestDatabase;
const engines: Engine[] = [];

beforeEach(async () => {
  database = await createProductDatabase();
  // Nothing moves a position back but a test that delivers again, which takes the trigger away.
  await ask(
    database.url,
    `create function log.forward_only() returns trigger language plpgsql as
       $$ begin raise exception 'a position goes back from % to %', old.position, new.position; end $$;
     create trigger forward_only before update on log.positions for each row
       when (new.position < old.position) execute function log.forward_only()`,
  );
});

async function deliverAgain(groups: readonly string[]): Promise<void> {
  await ask(database.url, 'drop trigger forward_only on log.positions');
  await setBack(database.url, groups);
}

/** That the stages' own workers had nothing to do. */
function expectNoStages(engine: Engine): void {
  expect(engine.yields).toEqual([]);
  for (const group of CRITICAL_GROUPS) expect([group, engine.batches.get(group)]).toEqual([group, undefined]);
}

afterEach(async () => {
  await closeAll();
  await database.drop();
});

async function start(straightThrough: boolean): Promise<Engine> {
  const engine = await startEngine(database.url, { straightThrough });
  engines.push(engine);
  return engine;
}

async function closeAll(): Promise<void> {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
}

async function openAccounts(engine: Engine): Promise<void> {
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: 10_000_000n },
    ...WALLETS.map((id) => ({ id, kind: 'wallet' as const, fundedMinor: 1_000_000n })),
    { id: 'service', kind: 'service' },
  ]);
}

/** Of several partitions. */
const WALLETS = Array.from({ length: 8 }, (_, index) => `wallet-${index}`);

async function pay(engine: Engine, count: number): Promise<string[]> {
  const submitted = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      engine.submit({ wallet_id: WALLETS[index % WALLETS.length] ?? '', amount: 1 + index }),
    ),
  );
  return submitted.map(({ id }) => id);
}

async function statusesOf(): Promise<Record<string, number>> {
  const rows = await ask(database.url, 'select status, count(*)::int as n from payments.payments group by 1');
  return Object.fromEntries(rows.map((row) => [row['status'], row['n']])) as Record<string, number>;
}

async function findings(): Promise<unknown[]> {
  const report = await verify({ url: database.url });
  return [...report.checks.flatMap((check) => check.findings), ...(report.running === 0 ? [] : ['running'])];
}

/** In how many commits the stages of each payment happened, by their count: one row version's transaction is one commit. */
async function commitsPerPayment(): Promise<unknown[]> {
  return ask(
    database.url,
    `select commits, count(*)::int as payments from (
       select e.subject, count(distinct e.tx)::int as commits from (
         select subject, xmin::text as tx from validation.events
         union all select subject, xmin::text from "authorization".events
         union all select data::json->>'cause', xmin::text from ledger.events where type = 'entry.posted'
       ) e where e.subject like 'pay%' group by 1
     ) c group by 1 order by 1`,
  );
}

test('a payment is validated, authorized, posted and completed in one commit, with an event of each stage', async () => {
  const engine = await start(true);
  await openAccounts(engine);
  const [id] = await pay(engine, 1);
  await engine.settled();
  const events = await ask(
    database.url,
    `select type, causation, topic || '/' || partition || '/' || position as identity from (
       select 1 as n, 'payments' as topic, * from payments.events union all
       select 2, 'validation', * from validation.events union all
       select 3 + (type = 'payment.completed')::int * 2, 'authorization', * from "authorization".events union all
       select 4, 'ledger', * from ledger.events union all
       select 6, 'notification', * from notification.events) e
     where subject = $1 order by n`,
    [id],
  );
  expect(events.map(({ type }) => type)).toEqual([
    'payment.requested',
    'payment.validated',
    'payment.authorized',
    'entry.posted',
    'payment.completed',
    'notification.queued',
  ]);
  const identities = events.map(({ identity }) => identity);
  expect(events.slice(1).map(({ causation }) => causation)).toEqual(identities.slice(0, -1));
  expect(await commitsPerPayment()).toEqual([{ commits: 1, payments: 1 }]);
});

test('every ending is reached, nothing is left for the stages to do, and all of it verifies', async () => {
  const engine = await start(true);
  await openAccounts(engine);
  await pay(engine, 60);
  await Promise.all([
    engine.submit({ amount: 900_000_000 }),
    engine.submit({ service_id: 'nobody' }),
    engine.submit({ currency: 'EUR' }),
    engine.submit({ wallet_id: 'nobody', reference: 'r' }),
  ]);
  await engine.settled();
  expect(await statusesOf()).toEqual({ completed: 60, declined: 1, rejected: 3 });
  expectNoStages(engine);
  expect(await findings()).toEqual([]);
});

test('payments that wait between the stages are finished by the stages, later ones go straight through again', async () => {
  const stages = await start(false);
  await openAccounts(stages);
  stages.pause('ledger');
  await pay(stages, 40);
  await stages.settled(['validation', 'authorization']);
  await closeAll();

  const engine = await start(true);
  await engine.settled();
  expect(await statusesOf()).toEqual({ completed: 40 });
  const byStages = engine.batches.get('ledger');
  expect(byStages).toBeGreaterThan(0);
  await engine.passing();
  await pay(engine, 8);
  await engine.settled();
  expect(engine.batches.get('straight-through')).toBeGreaterThan(0);
  expect(await findings()).toEqual([]);
});

test('X3: entries and accounts of others in between are passed over, however many there are', async () => {
  const engine = await start(true);
  const other = await start(false);
  for (const group of CRITICAL_GROUPS) other.pause(group);
  await openAccounts(engine);
  const paid = new AbortController();
  const transfers = [engine, other].map(async (one, from) => {
    while (!paid.signal.aborted)
      await Promise.all(
        WALLETS.map((wallet, index) =>
          one.transfer({ from: wallet, to: 'wallet', amountMinor: BigInt(index + from + 1) }),
        ),
      );
  });
  try {
    for (let round = 1; round <= 10; round++) {
      await pay(engine, 12);
      await expect.poll(statusesOf).toEqual({ completed: 12 * round });
    }
  } finally {
    paid.abort();
    await Promise.all(transfers);
  }
  await engine.settled();
  expectNoStages(engine);
  expect(await findings()).toEqual([]);
});

test('R1: where others work on the same partitions, straight through and by stages, every payment is done once', async () => {
  const engine = await start(true);
  await openAccounts(engine);
  await pay(engine, 15);
  await engine.settled();
  const rivals = [engine, await start(false), await start(true)];
  for (let round = 0; round < 12; round++) await Promise.all(rivals.map((one) => pay(one, 15)));
  await Promise.all(rivals.map((one) => one.settled()));
  expect(await statusesOf()).toEqual({ completed: 15 + 12 * 45 });
  // Who is first where is not ours to say; that the short cut was among them is.
  expect(await commitsPerPayment()).toContainEqual({ commits: 1, payments: expect.any(Number) as number });
  expect(await findings()).toEqual([]);
});

test('a partition that the stages have worked on comes back to the short cut, also while payments come in', async () => {
  const stages = await start(false);
  await openAccounts(stages);
  stages.pause('ledger');
  await pay(stages, 40);
  await stages.settled(['validation', 'authorization']);
  await closeAll();
  const engine = await start(true);
  const until = performance.now() + 15_000;
  let paid = 40;
  let straight = 0;
  while (straight < 5 && performance.now() < until) {
    await pay(engine, 8);
    paid += 8;
    straight = engine.batches.get('straight-through') ?? 0;
  }
  expect(straight).toBeGreaterThanOrEqual(5);
  await engine.settled();
  expect(await statusesOf()).toEqual({ completed: paid });
  expect(await findings()).toEqual([]);
});

test('X4: a batch that fails by one of its payments is left to the stages, which do the others', async () => {
  const stages = await start(false);
  await openAccounts(stages);
  const [broken] = await pay(stages, 1);
  await stages.settled();
  await closeAll();
  // Validation forgets that it answered: its event is taken away, and its position set back.
  await ask(database.url, 'delete from validation.events where subject = $1', [broken]);
  await deliverAgain(['validation']);
  const engine = await start(true);
  await expect.poll(() => engine.passageFailures.length).toBeGreaterThan(0);
  await pay(engine, 30);
  await engine.settled();
  expect(engine.batches.get('validation')).toBeGreaterThan(0);
  expect(await statusesOf()).toEqual({ completed: 31 });
  expect(
    await ask(database.url, 'select count(*)::int as n from ledger.entries where purpose = $1', ['payment']),
  ).toEqual([{ n: 31 }]);
});

test('X4: where one partition fails by itself, the others go straight through on, and it is left to the stages', async () => {
  const stages = await start(false);
  await openAccounts(stages);
  const [broken] = await pay(stages, 1);
  await stages.settled();
  await closeAll();
  await ask(database.url, 'delete from validation.events where subject = $1', [broken]);
  await deliverAgain(['validation']);
  const engine = await start(true);
  await expect.poll(() => engine.passageFailures.length).toBeGreaterThan(0);
  await engine.settled();
  engine.batches.clear();
  await pay(engine, 40);
  await engine.settled();
  expect(engine.batches.get('straight-through')).toBeGreaterThan(0);
  const byCommits = await commitsPerPayment();
  expect(byCommits).toContainEqual({ commits: 1, payments: expect.any(Number) as number });
  expect(await statusesOf()).toEqual({ completed: 41 });
});

test('X4: a gap in one partition is met by that partition alone', async () => {
  const stages = await start(false);
  await openAccounts(stages);
  await pay(stages, 16);
  await stages.settled();
  await closeAll();
  const [gone] = await ask(
    database.url,
    `delete from payments.events where (partition, position) =
       (select partition, max(position) - 1 from payments.events group by 1 having max(position) > 2 limit 1)
     returning partition`,
  );
  await deliverAgain(['validation']);
  const engine = await start(true);
  await expect.poll(() => engine.yields.length).toBeGreaterThan(0);
  expect(engine.yields).toEqual([[gone?.['partition']]]);
  const elsewhere = WALLETS.filter(
    (id) => partitionOf(TENANT, id, engine.log.partitions) !== gone?.['partition'],
  );
  await Promise.all(elsewhere.map((wallet_id) => engine.submit({ wallet_id })));
  await expect.poll(statusesOf).toEqual({ completed: 16 + elsewhere.length });
  expect(engine.batches.get('straight-through')).toBeGreaterThan(0);
});

test.each([{ groups: ['validation'] }, { groups: CRITICAL_GROUPS }])(
  'U3: nothing changes when the events of $groups are delivered again to a process with the short cut',
  async ({ groups }) => {
    const engine = await start(true);
    await payWith(await start(false));
    await engine.settled();
    await closeAll();
    const before = await dumpTables(database.url);
    await deliverAgain(groups);
    const again = await start(true);
    await again.settled();
    await closeAll();
    expect(await dumpTables(database.url)).toEqual(before);
  },
);

/** The wallets that the partition has. */
function walletsIn(partition: number): string[] {
  return WALLETS_FAR.filter((id) => partitionOf(TENANT, id, PARTITIONS) === partition);
}

/** Enough that every partition has one. */
const WALLETS_FAR = Array.from({ length: 40 }, (_, index) => `far-${index}`);

function losePosition(partition: number): Promise<unknown> {
  return ask(
    database.url,
    `delete from log.positions where consumer_group = 'validation' and topic = 'payments' and partition = $1`,
    [partition],
  );
}

test('R6: a position that is gone is found by name, and nothing that waits in other partitions is accused', async () => {
  const engine = await start(false);
  const [few = '', many = ''] = [walletsIn(2)[0], walletsIn(3)[0]];
  await engine.openAccounts([
    ...[few, many].map((id) => ({ id, kind: 'wallet' as const, fundedMinor: 1_000_000n })),
    { id: 'service', kind: 'service' },
  ]);
  for (let count = 0; count < 5; count++) await engine.submit({ wallet_id: many, amount: 1 });
  await engine.settled();
  engine.pause('validation');
  await engine.submit({ wallet_id: few, amount: 1 });
  await losePosition(0);
  expect(await findings()).toEqual([
    expect.objectContaining({ kind: 'missing_position', subject: 'validation/payments/0' }),
    'running',
  ]);
});

test('R6: a position that is gone keeps no payment from its end, in its partition or another', async () => {
  const engine = await start(true);
  await openAccounts(engine);
  await pay(engine, 24);
  await engine.settled();
  const lost = partitionOf(TENANT, WALLETS[0] ?? '', PARTITIONS);
  await losePosition(lost);
  await pay(engine, 24);
  await expect.poll(statusesOf).toEqual({ completed: 48 });
  await engine.settled();
  expect(engine.passageFailures).toEqual([]);
  expect(await findings()).toEqual([]);
});
