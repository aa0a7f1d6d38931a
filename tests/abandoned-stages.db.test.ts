/** What a person has skipped or discarded is not handed to its group again: not by integrity, and by no other order (P5, U11). */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { accepted } from '#kernel/decision.ts';
import { idOf, newId } from '#kernel/ids.ts';
import { type GroupedEvent, requestRedeliveries } from '#platform/dead-letters/redelivery.ts';
import { Session } from '#platform/postgres/session.ts';
import { verify } from '#proof/verify.ts';
import { resolve } from '#services/integrity/settle-finding.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, startEngine, TENANT } from './engine.ts';
import { IntegrityDesk } from './integrity-desk.ts';
import { orderOpenDeadLetters } from './order-dead-letters.ts';
import { outcomesOf } from './order-outcomes.ts';
import { mend, POISON_AMOUNT, type PoisonedGroup, poison } from './poisoned-tables.ts';
import { ask, DELIVERIES } from './redelivery.ts';

let database: TestDatabase;
let engine: Engine;
let desk: IntegrityDesk;
let session: Session;

beforeEach(async () => {
  database = await createProductDatabase();
  session = new Session({ url: database.url, name: 'tests' });
  engine = await startEngine(database.url, { poison: true });
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: 10_000_000n },
    { id: 'service', kind: 'service' },
  ]);
  // The logs are followed when a test says so, and late.
  engine.pause('integrity');
  desk = await IntegrityDesk.open(database.url);
});

afterEach(async () => {
  await desk.close();
  await engine.close();
  await session.close();
  await database.drop();
});

/** An hour later: what is under way is not held in memory any more. */
const LATER = { now: () => Date.now() + 3_600_000 };

/** A payment that is a dead letter of the group, and would go through if it were handed over again. */
async function deadPayment(group: PoisonedGroup, { isCancelled = false } = {}): Promise<string> {
  await poison(database.url, group);
  const { id } = await engine.submit({ amount: POISON_AMOUNT });
  await engine.settledBut('integrity');
  if (isCancelled) await engine.change({ operation: 'payments.cancel', payment_id: id });
  await engine.settledBut('integrity');
  await mend(database.url, group);
  return id;
}

async function giveUp(action: 'skip' | 'discard'): Promise<void> {
  await orderOpenDeadLetters(database.url, action);
  await engine.ordersExecuted();
  await engine.settledBut('integrity');
  await DELIVERIES['integrity']?.(database.url, { batchMax: 500, clock: LATER });
}

async function doChores(): Promise<void> {
  await desk.sweep();
  await desk.audit();
  await desk.repairAll();
  await engine.ordersExecuted();
  await engine.settledBut('integrity');
}

async function letter(): Promise<string> {
  const [row] = await ask(database.url, 'select id from log.dead_letters');
  return idOf('dlt', row?.['id'] as string);
}

async function abandoned(): Promise<GroupedEvent[]> {
  const rows = await ask(
    database.url,
    `select consumer_group as "group", topic, partition, position::int from log.abandoned_events order by topic`,
  );
  return rows as unknown as GroupedEvent[];
}

/** What the group has said of the payment. */
async function answers(group: string, subject: string): Promise<string[]> {
  const rows = await ask(
    database.url,
    `select type from "${group}".events where subject = $1 order by position`,
    [subject],
  );
  return rows.map(({ type }) => type as string);
}

async function redelivered(): Promise<number> {
  const rows = await ask(database.url, `select from log.redeliveries where action = 'redeliver'`);
  return rows.length;
}

async function orderAgain(events: readonly GroupedEvent[]): Promise<string[]> {
  const orders = events.map((event) => ({
    ...event,
    id: newId('rdl'),
    reason: 'tests',
    requestedBy: 'tests',
  }));
  await session.transaction(async (tx) => requestRedeliveries(tx, orders));
  await engine.ordersExecuted();
  return outcomesOf(
    database.url,
    orders.map(({ id }) => id),
  );
}

test('P5, U11: what a person has skipped is not delivered again: a finding names the dead letter and waits for a person', async () => {
  const payment = await deadPayment('validation');
  await giveUp('skip');
  await doChores();
  expect(await redelivered()).toBe(0);
  expect(await answers('validation', payment)).toEqual([]);
  expect(await desk.states()).toEqual([`abandoned_stage of ${payment}: parked`]);
  const [finding] = await ask(database.url, 'select detail from integrity.findings');
  expect(finding?.['detail']).toContain(await letter());
  const { checks } = await verify({ url: database.url });
  expect(checks.flatMap(({ findings }) => findings)).toMatchObject([
    { kind: 'abandoned_stage', subject: payment },
  ]);
});

test('P5: what is abandoned and a person has dealt with is not found again', async () => {
  const payment = await deadPayment('validation');
  await giveUp('skip');
  await doChores();
  const [finding] = await ask(database.url, 'select id from integrity.findings');
  const about = { tenant: TENANT, uuid: finding?.['id'] as string };
  await desk.desk.byPerson(about, (now, at) => {
    const decided = resolve(now, { actor: 'key_of_a_person', reason: 'settled by hand', now: at });
    return decided.ok ? accepted(decided.value) : decided;
  });
  await doChores();
  expect(await desk.states()).toEqual([`abandoned_stage of ${payment}: resolved`]);
});

test('P5, U11: what was discarded behind a dead letter is not delivered again either', async () => {
  const payment = await deadPayment('authorization', { isCancelled: true });
  const [behind] = await ask(database.url, 'select count(*)::int as count from log.parked_events');
  expect(behind?.['count']).toBeGreaterThan(0);
  await giveUp('discard');
  const before = await answers('authorization', payment);
  await doChores();
  expect(await redelivered()).toBe(0);
  expect(await desk.states()).toEqual([`abandoned_stage of ${payment}: parked`]);
  expect(await abandoned()).toHaveLength(1 + Number(behind?.['count']));
  expect(await answers('authorization', payment)).toEqual(before);
});

test('D4: an order to deliver again what a person has skipped or discarded is refused, whoever gave it', async () => {
  const payment = await deadPayment('authorization', { isCancelled: true });
  await giveUp('discard');
  const before = await answers('authorization', payment);
  const events = await abandoned();
  expect(await orderAgain(events)).toEqual(events.map(() => 'abandoned'));
  expect(await answers('authorization', payment)).toEqual(before);
});

test('P5: a repair that was due when a person skipped the event is not made: the finding is parked', async () => {
  const payment = await deadPayment('validation');
  await giveUp('skip');
  await desk.sweep();
  // Found before it was given up, as far as the finding tells.
  await desk.desk.open([
    {
      tenant: TENANT,
      kind: 'missing_stage',
      subject: payment,
      key: 'wallet',
      evidence: [],
      detail: 'seen before',
      source: 'stages',
    },
  ]);
  await desk.repairAll();
  expect(await redelivered()).toBe(0);
  expect(await desk.states()).toEqual([
    `abandoned_stage of ${payment}: parked`,
    `missing_stage of ${payment}: parked`,
  ]);
});
