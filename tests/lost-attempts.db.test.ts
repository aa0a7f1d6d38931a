/** A charge or refund under way whose attempt is gone, or due never, is found, and comes to its end all the same, once (D2, P5, U14). */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { Redeliverer } from '#platform/dead-letters/redeliverer.ts';
import { Session } from '#platform/postgres/session.ts';
import { verify } from '#proof/verify.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, PARTITIONS, startEngine } from './engine.ts';
import { GatewayDesk } from './gateway-desk.ts';
import { IntegrityDesk } from './integrity-desk.ts';
import { PATIENCE } from './patience.ts';
import { ask } from './redelivery.ts';
import { RefundPerson } from './refund-person.ts';

let database: TestDatabase;
let engine: Engine;
let gateways: GatewayDesk;
let integrity: IntegrityDesk;
let session: Session;
let redeliverer: Redeliverer;

beforeEach(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url, { gateways: true });
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: 10_000n },
    { id: 'service', kind: 'service' },
  ]);
  gateways = await GatewayDesk.open(engine, database);
  integrity = await IntegrityDesk.open(database.url);
  session = new Session({ url: database.url, name: 'redeliverer' });
  redeliverer = new Redeliverer({
    log: engine.log,
    session,
    clock: systemClock,
    observer: { committed: () => undefined, failed: () => undefined },
  });
  redeliverer.serve(gateways.consumer);
  redeliverer.own(
    'providers',
    Array.from({ length: PARTITIONS }, (_, partition) => partition),
  );
  redeliverer.start();
});

afterEach(async () => {
  await redeliverer.stop();
  await session.close();
  await integrity.close();
  await gateways.close();
  await engine.close();
  await database.drop();
});

/** As soon as its provider has it; what is gone is returned. */
async function loseAttempt(subject: string): Promise<string> {
  await gateways.wait(async () => (await pendingAttempts(subject)).length === 1);
  const [gone] = await ask(database.url, 'delete from providers.attempts where subject = $1 returning id', [
    subject,
  ]);
  return String(gone?.['id']);
}

function pendingAttempts(subject: string) {
  return ask(database.url, `select id from providers.attempts where subject = $1 and state = 'pending'`, [
    subject,
  ]);
}

async function findAndRepair(): Promise<void> {
  await integrity.audit();
  await integrity.repair();
  await vi.waitUntil(
    async () => (await ask(database.url, 'select from log.pending_redeliveries')).length === 0,
    PATIENCE,
  );
  await integrity.repairAll();
}

async function attemptsOf(subject: string) {
  return ask(database.url, 'select id, provider, state from providers.attempts where subject = $1', [
    subject,
  ]);
}

test('a charge whose attempt is lost is not asked for again: a person says whether it was made, and it is made once', async () => {
  gateways.tell('charge', { status: 'pending' });
  const id = await gateways.pay('authorized', {});
  const gone = await loseAttempt(id);
  await findAndRepair();
  expect(await integrity.states()).toEqual([`missing_attempt of ${id}: repaired`]);
  await gateways.until('reconciliation_required', id);
  expect(await attemptsOf(id)).toEqual([{ id: gone, provider: 'none', state: 'unknown' }]);
  expect(await verify({ url: database.url })).toMatchObject({ ok: true, running: 1 });
  await gateways.resolve(id, 'charged', 'completed');
  expect(gateways.alfa.count('charge') + gateways.beta.count('charge')).toBe(1);
  expect(await verify({ url: database.url })).toMatchObject({ ok: true, running: 0 });
}, 60_000);

test('a charge that is being called off when its attempt is lost waits for a person too', async () => {
  gateways.tell('charge', { status: 'pending' });
  const id = await gateways.pay('authorized', {});
  await loseAttempt(id);
  await gateways.change({ operation: 'payments.cancel', payment_id: id });
  await engine.settled(
    ['validation', 'authorization', 'providers'].filter((each) => engine.groups.includes(each)),
  );
  await findAndRepair();
  await gateways.until('reconciliation_required', id);
  await gateways.resolve(id, 'not_charged', 'failed');
  expect(await verify({ url: database.url })).toMatchObject({ ok: true, running: 0 });
}, 60_000);

test('a charge that was due never again goes on', async () => {
  gateways.tell('charge', { status: 'pending' });
  const id = await gateways.charging();
  await ask(database.url, 'update providers.attempts set due_at = null where subject = $1', [id]);
  await findAndRepair();
  expect(await integrity.states()).toEqual([`stalled_attempt of ${id}: repaired`]);
  await gateways.settle(id, 'approved');
  await gateways.until('completed', id);
  expect(await verify({ url: database.url })).toMatchObject({ ok: true, running: 0 });
}, 60_000);

test('a refund whose attempt is lost is asked for again under its key, and given back once', async () => {
  const payment = await gateways.pay('completed', {});
  gateways.tell('refund', { status: 'pending' });
  const id = await gateways.refund(payment, 50, 'authorized');
  const gone = await loseAttempt(id);
  await findAndRepair();
  expect(await integrity.states()).toEqual([`missing_attempt of ${id}: repaired`]);
  await gateways.wait(async () => (await pendingAttempts(id)).length === 1);
  await gateways.settle(id, 'succeeded');
  await gateways.until('completed', id);
  expect(await attemptsOf(id)).toMatchObject([{ id: gone, state: 'refunded' }]);
  expect(await verify({ url: database.url })).toMatchObject({ ok: true, running: 0 });
}, 60_000);

test('a refund whose attempt is lost with its charge is not asked of anybody: a person says whether it was made', async () => {
  const payment = await gateways.pay('completed', {});
  gateways.tell('refund', { status: 'pending' });
  const id = await gateways.refund(payment, 50, 'authorized');
  await loseAttempt(id);
  await ask(database.url, 'delete from providers.attempts where subject = $1', [payment]);
  await findAndRepair();
  await gateways.until('reconciliation_required', id);
  expect(await attemptsOf(id)).toMatchObject([{ provider: 'none', state: 'pending' }]);
  expect(await verify({ url: database.url })).toMatchObject({ running: 1 });
  const person = new RefundPerson(database.url, engine);
  expect(await person.say(id, 'refunded')).toBe(202);
  await person.leave();
  await gateways.until('completed', id);
  expect(gateways.alfa.count('refund') + gateways.beta.count('refund')).toBe(1);
}, 60_000);
