/** Stages that a group has passed without effect are found and delivered again; a lag, however long, is nothing (P5, DESIGN §4). */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import { Redeliverer } from '#platform/dead-letters/redeliverer.ts';
import { Session } from '#platform/postgres/session.ts';
import { verify } from '#proof/verify.ts';
import { notificationConsumer } from '#services/notification/consumer.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, PARTITIONS, startEngine } from './engine.ts';
import { finishOrders } from './finish-orders.ts';
import { IntegrityDesk } from './integrity-desk.ts';
import { PATIENCE } from './patience.ts';
import { ask, DELIVERIES, setBack } from './redelivery.ts';

let database: TestDatabase;
let engine: Engine;
let desk: IntegrityDesk;

beforeEach(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url);
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: 10_000n },
    { id: 'service', kind: 'service' },
  ]);
  // The logs are followed when a test says so, and as late as it wants.
  engine.pause('integrity');
  desk = await IntegrityDesk.open(database.url);
});

afterEach(async () => {
  await desk.close();
  await engine.close();
  await database.drop();
});

/** An hour later: what is under way is not held in memory any more. */
const LATER = { now: () => Date.now() + 3_600_000 };

async function follow(): Promise<void> {
  await DELIVERIES['integrity']?.(database.url, { batchMax: 500, clock: LATER });
}

/** As one who wanted to be rid of a backlog: the group's positions are put to the ends of its logs. */
async function passOver(group: string): Promise<void> {
  await ask(
    database.url,
    `update log.positions p set position = h.position, turn = p.turn + 1
     from log.heads h where h.topic = p.topic and h.partition = p.partition and p.consumer_group = $1`,
    [group],
  );
}

/** One payment that its group has passed over, and that everything else waits for. */
async function paymentPassedOverBy(group: string): Promise<string> {
  engine.pause(group);
  const { id } = await engine.submit({});
  await engine.settled(engine.groups.filter((each) => each !== group && each !== 'integrity'));
  await passOver(group);
  engine.resume(group);
  await follow();
  return id;
}

async function orders(): Promise<string[]> {
  const rows = await ask(
    database.url,
    `select consumer_group || ' ' || coalesce(outcome, 'pending') as "order" from log.redeliveries order by requested_at`,
  );
  return rows.map(({ order }) => order as string);
}

async function eventsOf(subject: string): Promise<string[]> {
  const rows = await ask(
    database.url,
    'select type from integrity.events where subject = $1 order by position',
    [subject],
  );
  return rows.map(({ type }) => type as string);
}

test.each(['validation', 'authorization', 'ledger', 'notification', 'payments'])(
  'P5: an outage of %s, however long, raises no finding and orders no repair, while it lasts and afterwards',
  async (group) => {
    engine.pause(group);
    await Promise.all(Array.from({ length: 40 }, () => engine.submit({ amount: 1 })));
    await engine.settled(engine.groups.filter((each) => each !== group && each !== 'integrity'));
    await follow();
    const followed = await ask(database.url, 'select from integrity.followed');
    // Nobody owes an answer to the payments group: its sagas are over.
    expect(followed).toHaveLength(group === 'payments' ? 0 : 40);
    await desk.sweep();
    await desk.audit();
    engine.resume(group);
    await desk.sweep();
    await engine.settled(engine.groups.filter((each) => each !== 'integrity'));
    await follow();
    await desk.sweep();
    await desk.audit();
    expect(await desk.findings()).toEqual([]);
    expect(await orders()).toEqual([]);
    expect(await ask(database.url, 'select from integrity.events')).toEqual([]);
  },
);

test('P5: while payments come in, audits and sweeps find nothing', async () => {
  engine.resume('integrity');
  const end = new AbortController();
  const clients = Array.from({ length: 10 }, async () => {
    while (!end.signal.aborted) await engine.submit({ amount: 1 });
  });
  try {
    for (let round = 0; round < 3; round++) {
      await desk.audit();
      await desk.sweep();
    }
  } finally {
    end.abort();
    await Promise.all(clients);
  }
  await engine.settled();
  expect(await desk.findings()).toEqual([]);
  expect(desk.errors).toEqual([]);
});

test('P5, U14: a stage whose group passed the event without effect is found, delivered again, and the saga goes on', async () => {
  const payment = await paymentPassedOverBy('notification');
  await desk.sweep();
  expect(await desk.states()).toEqual([`missing_stage of ${payment}: open`]);
  const redeliverer = startRedeliverer();
  try {
    await desk.repair();
    await vi.waitUntil(async () => (await orders()).includes('notification done'), PATIENCE);
    await desk.repairAll();
  } finally {
    await redeliverer.stop();
  }
  expect(await desk.states()).toEqual([`missing_stage of ${payment}: repaired`]);
  expect(await orders()).toEqual(['notification done']);
  expect(await eventsOf(payment)).toEqual(['integrity.finding_opened', 'integrity.repaired']);
  await follow();
  expect(
    await ask(database.url, 'select verdict from integrity.verdicts where subject = $1', [payment]),
  ).toEqual([{ verdict: 'complete' }]);
  expect(await verify({ url: database.url })).toMatchObject({ ok: true, running: 0 });
});

/** Of another process: it executes the orders about notifications. */
function startRedeliverer(): { stop(): Promise<void> } {
  const session = new Session({ url: database.url, name: 'redeliverer' });
  const redeliverer = new Redeliverer({
    log: engine.log,
    session,
    clock: systemClock,
    observer: { committed: () => undefined, failed: () => undefined },
  });
  redeliverer.serve(notificationConsumer());
  redeliverer.own(
    'notification',
    Array.from({ length: PARTITIONS }, (_, partition) => partition),
  );
  redeliverer.start();
  return {
    async stop() {
      await redeliverer.stop();
      await session.close();
    },
  };
}

test('U14: a repair that does not help is attempted three times and no more, then a person is asked', async () => {
  const payment = await paymentRepairedInVain();
  const [finding] = await desk.findings();
  expect(finding).toMatchObject({ kind: 'missing_stage', subject: payment, state: 'parked', attempts: 3 });
  expect(await orders()).toEqual(['validation failed', 'validation failed', 'validation failed']);
  await desk.sweep();
  await desk.audit();
  await desk.repairAll();
  expect(await orders()).toHaveLength(3);
  expect(await desk.states()).toEqual([`missing_stage of ${payment}: parked`]);
  expect(await eventsOf(payment)).toEqual(['integrity.finding_opened', 'integrity.parked']);
});

/** Its finding is parked: every order for it has failed. */
async function paymentRepairedInVain(): Promise<string> {
  await engine.redeliverer.stop();
  const payment = await paymentPassedOverBy('validation');
  await desk.sweep();
  for (let turn = 0; turn < 5; turn++) {
    await desk.repairAll();
    await finishOrders(database.url, 'failed');
  }
  return payment;
}

test('RP4: while the group of a stage is down one order waits for it, and no attempt is used up meanwhile', async () => {
  await engine.redeliverer.stop();
  const payment = await paymentPassedOverBy('notification');
  await desk.sweep();
  for (let turn = 0; turn < 3; turn++) await desk.repairAll();
  expect(await orders()).toEqual(['notification pending']);
  expect(await desk.findings()).toMatchObject([{ kind: 'missing_stage', state: 'repairing', attempts: 1 }]);
  const redeliverer = startRedeliverer();
  try {
    await vi.waitUntil(async () => (await orders()).includes('notification done'), PATIENCE);
    await desk.repairAll();
  } finally {
    await redeliverer.stop();
  }
  expect(await orders()).toEqual(['notification done']);
  expect(await desk.states()).toEqual([`missing_stage of ${payment}: repaired`]);
});

test('a stage that answers after all closes the finding about it, by whomever it had been taken over', async () => {
  const payment = await paymentRepairedInVain();
  expect(await desk.states()).toEqual([`missing_stage of ${payment}: parked`]);
  await setBack(database.url, ['validation']);
  await DELIVERIES['validation']?.(database.url, { batchMax: 500, clock: systemClock });
  await engine.settled(engine.groups.filter((each) => each !== 'integrity'));
  await desk.sweep();
  expect(await desk.states()).toEqual([`missing_stage of ${payment}: repaired`]);
});

test('P5: what waits behind a dead letter is not delivered again: the finding names the letter, and goes with it', async () => {
  const payment = await paymentPassedOverBy('validation');
  const letter = newId('dlt');
  await ask(
    database.url,
    `insert into log.parked_keys (consumer_group, partition, parking_key, dead_letter, topic, position, parked_at)
     select 'validation', partition, subject, $2::uuid, 'payments', position, now() from payments.events where subject = $1`,
    [payment, uuidOf(letter)],
  );
  await desk.sweep();
  await desk.repairAll();
  const [finding] = await desk.findings();
  expect(finding).toMatchObject({ kind: 'parked_stage', subject: payment, state: 'parked' });
  const [row] = await ask(database.url, 'select detail from integrity.findings');
  expect(row?.['detail']).toContain(letter);
  expect(await orders()).toEqual([]);
  await ask(database.url, 'delete from log.parked_keys');
  await desk.sweep();
  expect(await desk.states()).toEqual([
    `parked_stage of ${payment}: resolved`,
    `missing_stage of ${payment}: open`,
  ]);
});
