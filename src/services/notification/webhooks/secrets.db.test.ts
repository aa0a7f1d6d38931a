/** How the secrets of many endpoints are read. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idOf, newId, uuidOf } from '#kernel/ids.ts';
import { Session } from '#platform/postgres/session.ts';
import { faultOf, type Received } from '../../../../tests/webhook-receiver.ts';
import { paymentId, TENANT, type WebhookProcess, WebhookWorld } from '../../../../tests/webhook-world.ts';
import { WebhookSecrets } from './secrets.ts';

const ENDPOINTS = 30;

let world: WebhookWorld;
let process: WebhookProcess;

beforeAll(async () => {
  world = await WebhookWorld.open();
  process = await world.process();
});

afterAll(() => world.close());

async function givenEndpoint(path: string): Promise<{ id: string; path: string; secret: string }> {
  const asked = { url: world.receiver.url + path, events: ['payment.*'] };
  const { id, secret } = (await process.call('POST', '/v1/webhook-endpoints', asked)).body;
  return { id, secret, path };
}

test('U13: those of all endpoints that are told at once sign; one that cannot be opened holds up its own endpoint alone', async () => {
  const paths = Array.from({ length: ENDPOINTS }, (_, index) => `/hook-${index}`);
  const endpoints = await Promise.all(paths.map(givenEndpoint));
  const [damaged, ...others] = endpoints;
  await world.owner.query(
    `update vault.secrets set sealed = '\\x00112233445566778899aabbccddeeff' where name like $1`,
    [`%${damaged?.id}`],
  );
  await world.say(paymentId(), ['payment.completed']);
  await world.waitUntil(() => world.receiver.taken.length === others.length);
  for (const { path, secret } of others)
    expect(faultOf(world.receiver.takenAt(path)[0] as Received, secret)).toBeUndefined();
  await world.waitUntil(async () => {
    const { rows } = await world.owner.query<{ outcome: string | null }>(
      `select a.outcome from notification.delivery_attempts a
       join notification.deliveries d on d.id = a.delivery join notification.endpoints e using (endpoint_key)
       where e.url like '%' || $1`,
      [damaged?.path],
    );
    return rows.some(({ outcome }) => outcome === 'not_called');
  });
  expect(process.failures.splice(0).length).toBeGreaterThan(0);
  await world.owner.query(`update notification.endpoints set status = 'disabled'`);
});

test.each([
  ['of an endpoint', uuidOf(newId('whe'))],
  ['of callbacks, without one before', undefined],
])(
  'U13: of two processes that rotate the secret %s at once neither loses what the other gave away',
  async (_whose, uuid) => {
    const secrets = new WebhookSecrets(world);
    const sessions = ['one', 'other'].map((name) => new Session({ url: world.database.url, name }));
    const [one, other] = sessions as [Session, Session];
    const now = world.clock.now();
    if (uuid !== undefined)
      await one.transaction(async (tx) => secrets.create(tx, { tenant: TENANT, uuid, scheme: 'v1' }, now));
    const rotate = (session: Session, meanwhile?: () => Promise<void>) =>
      session.transaction(async (tx) => {
        const made = await secrets.rotate(tx, { tenant: TENANT, uuid, scheme: 'v1' }, now);
        await meanwhile?.();
        return made;
      });
    let second: Promise<string> | undefined;
    const first = await rotate(one, async () => {
      second = rotate(other);
      await world.waitUntil(isAnybodyWaiting);
    });
    const last = await second;
    const name = uuid === undefined ? 'callbacks' : idOf('whe', uuid);
    const kept = await world.vault.find({ tenant: TENANT, name: `webhook-endpoints:${name}` });
    const signing = (JSON.parse(kept ?? '') as { secret: string }[]).map(({ secret }) => secret);
    expect(signing.slice(0, 2)).toEqual([last, first]);
    await Promise.all(sessions.map((session) => session.close()));
  },
);

async function isAnybodyWaiting(): Promise<boolean> {
  const { rows } = await world.owner.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return rows.length > 0;
}
