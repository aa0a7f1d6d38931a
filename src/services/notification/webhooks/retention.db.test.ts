/** What is forgotten of webhooks, and what goes on all the same. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import { Session } from '#platform/postgres/session.ts';
import { dumpTables, setBack } from '../../../../tests/redelivery.ts';
import {
  paymentId,
  RETENTION_MS,
  type WebhookProcess,
  WebhookWorld,
} from '../../../../tests/webhook-world.ts';
import { Retention } from './retention.ts';

const QUEUE = ['messages', 'lanes', 'deliveries', 'delivery_attempts'];
const PATH = '/hook';
/** Goes on for years, unlike a payment. */
const CARD = 'card-1';

let world: WebhookWorld;
let process: WebhookProcess;
let session: Session;
let retention: Retention;

beforeAll(async () => {
  world = await WebhookWorld.open();
  process = await world.process();
  session = new Session({ url: world.database.url, name: 'retention' });
  retention = new Retention({
    session,
    clock: world.clock,
    retentionMs: RETENTION_MS,
    random: Math.random,
    onError: (error) => {
      throw error;
    },
  });
  const endpoint = { url: world.receiver.url + PATH, events: ['payment.*', 'card.*'] };
  await process.call('POST', '/v1/webhook-endpoints', endpoint);
});

afterAll(async () => {
  await session.close();
  await world.close();
});

async function told(subject: string, types: readonly string[]): Promise<number[]> {
  const before = world.receiver.takenAt(PATH).length;
  await world.say(subject, types);
  await world.waitUntil(() => world.receiver.takenAt(PATH).length === before + types.length);
  return world.receiver
    .takenAt(PATH)
    .slice(before)
    .map(({ sequence }) => sequence);
}

/** All of the queue's rows, by table. */
async function kept(): Promise<number[]> {
  const tables = await dumpTables(world.database.url);
  return QUEUE.map((table) => tables[`notification.${table}`]?.length ?? 0);
}

async function untilAllIsDelivered(): Promise<void> {
  await world.waitUntil(async () => {
    const { rows } = await world.owner.query(
      `select from notification.deliveries where status = 'pending' limit 1`,
    );
    return rows.length === 0;
  });
}

test('U18: what is old goes, message and lane with the last delivery; a subject that goes on is numbered on, a new one from 1', async () => {
  expect(await told(paymentId(), ['payment.authorized', 'payment.completed'])).toEqual([1, 2]);
  expect(await told(CARD, ['card.approved', 'card.captured', 'card.reversed'])).toEqual([1, 2, 3]);
  await untilAllIsDelivered();
  const all = [5, 2, 5, 5];
  expect(await kept()).toEqual(all);
  world.advance(RETENTION_MS - 60_000);
  await retention.forgetPage();
  expect(await kept()).toEqual(all);
  world.advance(120_000);
  // First what the endpoint must remember, with the last delivery of each lane still there; then these too.
  await retention.forgetPage();
  expect(await kept()).toEqual([0, 2, 2, 2]);
  await retention.forgetPage();
  expect(await kept()).toEqual([0, 0, 0, 0]);
  expect(await told(CARD, ['card.approved'])).toEqual([4]);
  const born = idOf('pay', firstUuidAt(world.clock.now()));
  expect(await told(born, ['payment.authorized', 'payment.completed'])).toEqual([1, 2]);
  await untilAllIsDelivered();
});

test('F4: what waits for another try at an enabled endpoint is kept with its lane and message, and sent', async () => {
  await retention.forgetPage();
  const before = await kept();
  world.receiver.conduct = () => ({ status: 503 });
  const subject = paymentId();
  await world.say(subject, ['payment.completed']);
  await world.waitUntil(async () => {
    const { rows } = await world.owner.query(`select from notification.deliveries where failures = 1`);
    return rows.length === 1;
  });
  await world.stopProcesses();
  world.advance(RETENTION_MS + 3 * 86_400_000);
  for (let page = 0; page < 3; page++) await retention.forgetPage();
  expect(await kept()).toEqual(before.map(() => 1));
  world.receiver.conduct = () => ({ status: 204 });
  process = await world.process();
  await world.waitUntil(() => world.receiver.takenAt(PATH).at(-1)?.subject === subject);
  await untilAllIsDelivered();
});

test('U3: an event that is older than what is remembered is not told again', async () => {
  const before = world.receiver.takenAt(PATH).length;
  await world.stopProcesses();
  await setBack(world.database.url, ['webhooks']);
  process = await world.process();
  await told(idOf('pay', firstUuidAt(world.clock.now() + 1)), ['payment.completed']);
  await world.waitUntil(async () => {
    const { rows } = await world.owner.query(
      `select from log.positions p join log.heads h using (topic, partition)
       where p.consumer_group = 'webhooks' and p.position < h.position`,
    );
    return rows.length === 0;
  });
  expect(world.receiver.takenAt(PATH)).toHaveLength(before + 1);
});
