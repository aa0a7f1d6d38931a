/** What is asked for about webhooks, under an idempotency key, over the real API. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dumpTables } from '../../../../tests/redelivery.ts';
import { faultOf, type Received } from '../../../../tests/webhook-receiver.ts';
import { paymentId, TENANT, type WebhookProcess, WebhookWorld } from '../../../../tests/webhook-world.ts';

let world: WebhookWorld;
let process: WebhookProcess;
let second: WebhookProcess;

beforeAll(async () => {
  world = await WebhookWorld.open();
  process = await world.process();
  second = await world.process({ partitions: [] });
  // What another process makes is told of from a second after on, unless the tenant is known to have an endpoint.
  await post('/v1/webhook-endpoints', endpointBody());
});

afterAll(() => world.close());

interface Asked {
  readonly key?: string;
  readonly tenant?: string;
  readonly at?: WebhookProcess;
}

async function post(url: string, body: object, { key, tenant = TENANT, at = process }: Asked = {}) {
  const answer = await at.app.inject({
    method: 'POST',
    url,
    payload: body,
    headers: {
      authorization: `Bearer ${tenant}`,
      host: 'localhost',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
  });
  const { statusCode: status, body: text, headers } = answer;
  const json = answer.json<{ id: string; secret: string; code: string; pointers: string[] }>();
  return { status, text, json, isReplay: headers['idempotency-replayed'] === 'true' };
}

let paths = 0;

function endpointBody(more: object = {}) {
  return { url: `${world.receiver.url}/hook-${++paths}`, events: ['payment.*'], ...more };
}

async function givenDelivered(): Promise<{ url: string; path: string; delivery: string }> {
  const body = endpointBody();
  const { id } = (await post('/v1/webhook-endpoints', body)).json;
  const path = new URL(body.url).pathname;
  await world.say(paymentId(), ['payment.completed']);
  await world.waitUntil(() => world.receiver.takenAt(path).length === 1);
  const url = `/v1/webhook-endpoints/${id}`;
  const [delivery] = await deliveriesOf(url);
  return { url, path, delivery: delivery?.id ?? '' };
}

interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly repeats: string | null;
}

async function deliveriesOf(url: string): Promise<readonly Delivery[]> {
  const list = await process.app.inject({
    url: `${url}/deliveries`,
    headers: { authorization: `Bearer ${TENANT}`, host: 'localhost' },
  });
  return list.json<{ data: Delivery[] }>().data;
}

test('U1, U13: an endpoint is made once, by copies at two processes, and each is shown its secret, which no table has', async () => {
  const body = endpointBody();
  const asked = { key: 'endpoint' };
  const copies = await Promise.all([
    post('/v1/webhook-endpoints', body, asked),
    post('/v1/webhook-endpoints', body, { ...asked, at: second }),
    post('/v1/webhook-endpoints', body, asked),
  ]);
  const later = await post('/v1/webhook-endpoints', body, { ...asked, at: second });
  expect(copies.filter(({ isReplay }) => !isReplay)).toHaveLength(1);
  for (const { status, text } of [...copies, later]) expect([status, text]).toEqual([201, copies[0].text]);
  expect(later.isReplay).toBe(true);
  const { secret } = later.json;
  await world.say(paymentId(), ['payment.completed']);
  const path = new URL(body.url).pathname;
  await world.waitUntil(() => world.receiver.takenAt(path).length === 1);
  expect(faultOf(world.receiver.takenAt(path)[0] as Received, secret)).toBeUndefined();
  expect(JSON.stringify(await dumpTables(world.database.url))).not.toContain(secret.slice('whsec_'.length));
});

test('U1: a rotation under a key gives one new secret, whatever was rotated since', async () => {
  const { url } = await givenDelivered();
  const first = await post(`${url}/rotate-secret`, {}, { key: 'rotation' });
  const other = await post(`${url}/rotate-secret`, {});
  const copy = await post(`${url}/rotate-secret`, {}, { key: 'rotation' });
  expect(other.json.secret).not.toBe(first.json.secret);
  expect([copy.isReplay, copy.text]).toEqual([true, first.text]);
});

test('U1: a test, a redelivery and a replay are asked for once under a key', async () => {
  const { url, path, delivery } = await givenDelivered();
  const now = world.clock.now();
  const time = { from: new Date(now - 3_600_000).toISOString(), to: new Date(now + 3_600_000).toISOString() };
  for (const [operation, body] of [
    ['/test', {}],
    [`/deliveries/${delivery}/redeliver`, {}],
    ['/replays', time],
  ] as const) {
    const [first, ...copies] = await Promise.all([
      post(url + operation, body, { key: 'again' }),
      post(url + operation, body, { key: 'again', at: second }),
      post(url + operation, body, { key: 'again' }),
    ]);
    for (const { status, text } of copies) expect([status, text]).toEqual([202, first.text]);
  }
  // A payment's end, its redelivery, a test, and by the replay the two of these that are no repeats.
  await world.waitUntil(() => world.receiver.takenAt(path).length >= 5);
  const all = await deliveriesOf(url);
  expect(all.map(({ repeats }) => repeats)).toContain(delivery);
  expect(all.map(({ type, repeats }) => `${type} ${repeats === null ? 'new' : 'again'}`).toSorted()).toEqual([
    'payment.completed again',
    'payment.completed again',
    'payment.completed new',
    'webhook_endpoint.test again',
    'webhook_endpoint.test new',
  ]);
});

test('U1: a refusal is kept too; another body under the key is told what differs; a key is its tenant’s', async () => {
  const body = endpointBody({ events: ['payment.flew'] });
  const refused = await post('/v1/webhook-endpoints', body, { key: 'refused' });
  const again = await post('/v1/webhook-endpoints', body, { key: 'refused' });
  expect([refused.status, again.status, again.isReplay, again.text]).toEqual([422, 422, true, refused.text]);
  const changed = await post('/v1/webhook-endpoints', { ...body, events: ['*'] }, { key: 'refused' });
  expect([changed.status, changed.json.pointers]).toEqual([422, ['/events/0']]);
  const others = await post('/v1/webhook-endpoints', endpointBody(), { key: 'refused', tenant: 'other' });
  expect(others.status).toBe(201);
  const unknown = '/v1/webhook-endpoints/whe_x/test';
  expect((await post(unknown, {}, { key: 'unknown' })).status).toBe(404);
  expect(await post(unknown, {}, { key: 'unknown' })).toMatchObject({ status: 404, isReplay: true });
  expect((await post(unknown, {}, { key: '"' })).status).toBe(400);
});
