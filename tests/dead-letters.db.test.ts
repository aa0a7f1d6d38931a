/** Dead letters of the services' own consumers (U11): what waits, what goes on, and how it is mended. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newId, uuidOf } from '#kernel/ids.ts';
import { partitionOf } from '#kernel/partition-of.ts';
import { findWaitingEvents, requestRedeliveries } from '#platform/dead-letters/redelivery.ts';
import { Session } from '#platform/postgres/session.ts';
import { verify } from '#proof/verify.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { appendEvents } from './append-events.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, type EngineOptions, PARTITIONS, startEngine, TENANT } from './engine.ts';
import { orderOpenDeadLetters } from './order-dead-letters.ts';
import { outcomesOf } from './order-outcomes.ts';
import { mend, POISON_AMOUNT, poison } from './poisoned-tables.ts';
import { ask, dumpTables } from './redelivery.ts';

let database: TestDatabase;
let session: Session;
const engines: Engine[] = [];

beforeEach(async () => {
  database = await createProductDatabase();
  session = new Session({ url: database.url, name: 'tests' });
});

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
  await session.close();
  await database.drop();
});

async function start(options: EngineOptions = {}): Promise<Engine> {
  const engine = await startEngine(database.url, { poison: true, ...options });
  engines.push(engine);
  return engine;
}

async function openAccounts(engine: Engine): Promise<void> {
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: 10_000_000n },
    { id: 'service', kind: 'service' },
  ]);
}

/** Of the wallet, so all in one partition: the poisoned one in the middle. */
async function payAround(engine: Engine): Promise<{ bad: string; good: string[] }> {
  const amounts = [100, 200, POISON_AMOUNT, 300, 400];
  const paid = [];
  for (const amount of amounts) paid.push(await engine.submit({ amount }));
  const [bad, ...good] = [paid[2], ...paid.slice(0, 2), ...paid.slice(3)].map((payment) => payment?.id ?? '');
  return { bad: bad ?? '', good };
}

async function statusOf(id: string): Promise<string> {
  const [row] = await ask(database.url, 'select status from payments.payments where id = $1', [
    uuidOf(id as Parameters<typeof uuidOf>[0]),
  ]);
  return row?.['status'] as string;
}

async function openLetters(): Promise<Record<string, unknown>[]> {
  return ask(
    database.url,
    `select id, consumer_group as "group", type, version, subject, error_code as code, partition from log.dead_letters
     where state = 'open' order by id`,
  );
}

async function orderAll(action: 'replay' | 'skip', engine: Engine): Promise<void> {
  await orderOpenDeadLetters(database.url, action);
  engine.redeliverer.wake();
  const parked = () => ask(database.url, 'select from log.parked_keys');
  await expect.poll(parked).toEqual([]);
  await engine.settledBut('integrity');
}

async function proof(): Promise<Record<string, unknown>> {
  const { ok, running, parked, checks } = await verify({ url: database.url });
  return { ok, running, parked, findings: checks.flatMap(({ findings }) => findings) };
}

test('U11: a stage that cannot be done holds up its own payment; verify tells it waits, and finds nothing wrong', async () => {
  const engine = await start();
  await openAccounts(engine);
  await poison(database.url, 'validation');
  const { bad, good } = await payAround(engine);
  await engine.settledBut('integrity');
  expect(await Promise.all(good.map(statusOf))).toEqual(good.map(() => 'completed'));
  expect(await statusOf(bad)).toBe('pending');
  expect(await openLetters()).toMatchObject([
    { group: 'validation', type: 'payment.requested', subject: bad, code: '23514' },
  ]);
  expect(await proof()).toEqual({ ok: true, running: 1, parked: 1, findings: [] });

  await mend(database.url, 'validation');
  await orderAll('replay', engine);
  expect(await statusOf(bad)).toBe('completed');
  expect(await proof()).toEqual({ ok: true, running: 0, parked: 0, findings: [] });
});

test('U14: a payment that waits behind a dead letter that is gone is found: nobody would ever be told of it', async () => {
  const engine = await start();
  await openAccounts(engine);
  await poison(database.url, 'validation');
  await payAround(engine);
  await engine.settledBut('integrity');
  await mend(database.url, 'validation');
  await ask(database.url, 'delete from log.dead_letters');
  const [key] = await ask(
    database.url,
    `select format('%s/%s/%s', topic, partition, position) as subject from log.parked_keys`,
  );
  expect(await proof()).toMatchObject({
    ok: false,
    parked: 1,
    findings: [{ kind: 'parked_behind_nothing', subject: key?.['subject'] }],
  });
});

test('U14: an order that nobody would ever carry out is found', async () => {
  await start();
  await ask(
    database.url,
    `insert into log.redeliveries (id, consumer_group, topic, partition, position, action, requested_by, requested_at)
     values (gen_random_uuid(), 'validation', 'payments', 0, 1, 'redeliver', 'ana', now())`,
  );
  expect(await proof()).toMatchObject({
    ok: false,
    findings: [{ kind: 'lost_order', subject: 'payments/0/1' }],
  });
});

test('U11: an event of an older version than the group reads is read on replay as it would be from the log', async () => {
  const engine = await start();
  await openAccounts(engine);
  await poison(database.url, 'validation');
  const [event] = await appendEvents({ url: database.url, partitions: PARTITIONS }, 'payments', [
    requestOf(newId('pay'), {
      wallet_id: 'wallet',
      service_id: 'service',
      amount: POISON_AMOUNT,
      currency: 'USD',
      method: 'balance',
      reference: null,
      description: null,
      metadata: null,
    }),
  ]);
  await engine.settledBut('integrity');
  expect(await openLetters()).toMatchObject([{ group: 'validation', version: 1 }]);
  await mend(database.url, 'validation');
  await orderAll('replay', engine);
  const answers = await ask(database.url, 'select type from validation.events where subject = $1', [
    event?.subject,
  ]);
  expect(answers).toEqual([{ type: 'payment.validated' }]);
});

function requestOf(subject: string, data: Parameters<typeof appendEvents>[2][number]['data']) {
  return {
    type: 'payment.requested',
    version: 1,
    subject,
    tenant: TENANT,
    key: 'wallet',
    data,
    correlationId: 'cor_tests',
    causation: newId('req'),
    traceparent: null,
  };
}

test('U11: a payment behind an ending that cannot be told is told in full when it is replayed, and once', async () => {
  const engine = await start();
  await openAccounts(engine);
  await poison(database.url, 'notification');
  const { bad } = await payAround(engine);
  await engine.settledBut('integrity');
  expect(await openLetters()).toMatchObject([{ group: 'notification', subject: bad }]);
  expect(await statusOf(bad)).toBe('completed');
  expect(await proof()).toMatchObject({ ok: true, parked: 1 });
  await mend(database.url, 'notification');
  await orderAll('replay', engine);
  expect(await proof()).toEqual({ ok: true, running: 0, parked: 0, findings: [] });
});

test('U11: what a person has skipped is missing for good, and verify says so by name', async () => {
  const engine = await start();
  await openAccounts(engine);
  await poison(database.url, 'validation');
  const { bad } = await payAround(engine);
  await engine.settledBut('integrity');
  await mend(database.url, 'validation');
  await orderAll('skip', engine);
  expect(await proof()).toMatchObject({ ok: false, findings: [{ kind: 'abandoned_stage', subject: bad }] });
});

test('F4: data that lacks what every reader needs makes dead letters of one subject, and nothing else waits', async () => {
  const engine = await start();
  await openAccounts(engine);
  const before = await engine.submit({ amount: 100 });
  const subject = newId('pay');
  await appendEvents({ url: database.url, partitions: PARTITIONS }, 'payments', [
    requestOf(subject, { currency: 'USD' }),
  ]);
  const after = await engine.submit({ amount: 200 });
  await engine.settledBut('integrity');
  expect(await statusOf(before.id)).toBe('completed');
  expect(await statusOf(after.id)).toBe('completed');
  const letters = await openLetters();
  expect(letters).toMatchObject([{ group: 'validation', subject }]);
});

test('X5: where a group of the passage has a parked key the stages work, and nothing of the key is overtaken', async () => {
  const first = await start();
  await openAccounts(first);
  await poison(database.url, 'authorization');
  const { bad } = await payAround(first);
  await first.settledBut('integrity');
  await first.close();
  engines.splice(0);
  expect(await openLetters()).toMatchObject([{ group: 'authorization', subject: bad }]);
  await mend(database.url, 'authorization');

  const engine = await start({ straightThrough: true });
  // On the short cut it would be admitted and coordinated in one go.
  const { answer } = await engine.change({ operation: 'payments.cancel', payment_id: bad });
  expect(answer.status).toBe(202);
  const good = [await engine.submit({ amount: 100 }), await engine.submit({ amount: 200 })];
  await engine.settledBut('integrity');
  expect(await Promise.all(good.map(({ id }) => statusOf(id)))).toEqual(['completed', 'completed']);
  expect(await statusOf(bad)).toBe('pending');
  expect(await ask(database.url, 'select consumer_group as "group" from log.parked_events')).toEqual([
    { group: 'authorization' },
  ]);
  expect(engine.yields.flat()).toContain(partitionOf(TENANT, 'wallet', PARTITIONS));
  expect(engine.passageFailures).toEqual([]);
  await orderAll('replay', engine);
  expect(await statusOf(bad)).toMatch(/completed|cancelled/);
  expect(await proof()).toEqual({ ok: true, running: 0, parked: 0, findings: [] });
});

test('X4: a payment that fails on the short cut is found by the stages and is a dead letter of its stage', async () => {
  const engine = await start({ straightThrough: true });
  await openAccounts(engine);
  await engine.passing();
  await poison(database.url, 'validation');
  const { bad, good } = await payAround(engine);
  await engine.settledBut('integrity');
  expect(await openLetters()).toMatchObject([{ group: 'validation', subject: bad }]);
  expect(await Promise.all(good.map(statusOf))).toEqual(good.map(() => 'completed'));
  await mend(database.url, 'validation');
  await orderAll('replay', engine);
  expect(await statusOf(bad)).toBe('completed');
  expect(await proof()).toEqual({ ok: true, running: 0, parked: 0, findings: [] });
});

interface Standing {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
}

/** Of every topic of every group, each event there is. */
async function everyDelivery(): Promise<Standing[]> {
  const groups = TOPOLOGY.groups.filter(({ group }) => group !== 'providers');
  const read = groups.flatMap(({ group, topics }) =>
    topics.map((topic) =>
      ask(
        database.url,
        `select $1 as "group", $2 as topic, partition, position::int from "${topic}".events order by 3, 4`,
        [group, topic],
      ),
    ),
  );
  return (await Promise.all(read)).flat() as unknown as Standing[];
}

test('U3: an order to deliver an event again that its group has handled changes nothing, whatever the event', async () => {
  const engine = await start();
  await openAccounts(engine);
  await engine.submit({ amount: 100 });
  await engine.submit({ amount: 100_000_000 });
  await engine.submit({ service_id: 'nobody' });
  await engine.settled();
  const before = await dumpTables(database.url);
  const orders = (await everyDelivery()).map((each) => ({
    ...each,
    id: newId('rdl'),
    reason: 'tests',
    requestedBy: 'tests',
  }));
  await session.transaction(async (tx) => requestRedeliveries(tx, orders));
  engine.redeliverer.wake();
  const outcomes = () =>
    outcomesOf(
      database.url,
      orders.map(({ id }) => id),
    );
  await expect.poll(outcomes).not.toContain('pending');
  expect(new Set(await outcomes())).toEqual(new Set(['done', 'not_handled']));
  const { 'log.redeliveries': _redeliveries, ...after } = await dumpTables(database.url);
  const { 'log.redeliveries': _none, ...same } = before;
  expect(after).toEqual(same);
});

test('an order about an event that is not there, not passed, or behind a dead letter does nothing and says why', async () => {
  const engine = await start();
  await openAccounts(engine);
  await poison(database.url, 'validation');
  await payAround(engine);
  await engine.settledBut('integrity');
  const [dead] = await ask(
    database.url,
    `select consumer_group as "group", topic, partition, position::int from log.parked_keys`,
  );
  const letter = dead as unknown as Standing;
  expect(
    await findWaitingEvents(session, [letter, { ...letter, position: letter.position + 1 }]),
  ).toMatchObject([{ ...letter, deadLetter: expect.stringMatching(/^dlt_/) as unknown }]);
  const asked = [
    letter,
    { ...letter, position: 1_000_000 },
    { ...letter, topic: 'notification', position: 1 },
  ].map((place) => ({ ...place, id: newId('rdl'), reason: 'tests', requestedBy: 'tests' }));
  await session.transaction(async (tx) => requestRedeliveries(tx, asked));
  engine.redeliverer.wake();
  const outcomes = () =>
    outcomesOf(
      database.url,
      asked.map(({ id }) => id),
    );
  await expect.poll(outcomes).toEqual(['behind_dead_letter', 'not_passed', 'not_handled']);
});
