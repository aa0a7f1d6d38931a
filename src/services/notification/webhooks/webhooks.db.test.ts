/** Outbound webhooks from an event to its receiver, over real HTTP. */
import { describe, expect, test } from 'vitest';
import { Session } from '#platform/postgres/session.ts';
import { dumpTables, setBack } from '../../../../tests/redelivery.ts';
import { faultOf, type Received } from '../../../../tests/webhook-receiver.ts';
import { aProcessForEach } from '../../../../tests/webhook-tests.ts';
import {
  paymentId,
  TENANT,
  TRACE,
  type WebhookProcess,
  type WebhookWorld,
} from '../../../../tests/webhook-world.ts';
import { findDueEndpoints } from './claim-store.ts';

let world: WebhookWorld;
let process: WebhookProcess;

aProcessForEach((opened, started) => {
  world = opened;
  process = started;
});

const call: WebhookProcess['call'] = (...asked) => process.call(...asked);

let paths = 0;

interface Made {
  readonly path: string;
  readonly url: string;
  readonly id: string;
  readonly secret: string;
}

async function givenEndpoint(more: object = {}): Promise<Made> {
  const path = `/hook-${++paths}`;
  const { status, body } = await call('POST', '/v1/webhook-endpoints', {
    url: world.receiver.url + path,
    events: ['payment.*'],
    ...more,
  });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return { path, url: `/v1/webhook-endpoints/${body.id}`, id: body.id, secret: body.secret };
}

interface Delivery {
  readonly id: string;
  readonly status: string;
  readonly subject: string;
  readonly sequence: number;
  readonly next_attempt_at: string | null;
  readonly correlation_id: string;
  readonly attempts: readonly {
    readonly outcome: string | null;
    readonly status: number | null;
    readonly answer: string | null;
  }[];
}

async function deliveriesOf({ url }: Made, query = ''): Promise<Delivery[]> {
  const { body } = await call('GET', `${url}/deliveries${query}`);
  return body['data'] as Delivery[];
}

/** Of a payment that somebody has been told so much of. */
async function told(path: string, count: number): Promise<readonly Received[]> {
  await world.waitUntil(() => world.receiver.takenAt(path).length >= count);
  return world.receiver.takenAt(path);
}

test('U18, U17: an event is delivered signed, as a CloudEvent, with its correlation id and trace', async () => {
  const endpoint = await givenEndpoint();
  const subject = paymentId();
  await world.say(subject, ['payment.authorized', 'payment.completed']);
  const [first, second] = await told(endpoint.path, 2);
  if (first === undefined || second === undefined) throw new Error('nothing came');
  for (const received of [first, second]) {
    expect(faultOf(received, endpoint.secret)).toBeUndefined();
    expect(received.headers).toMatchObject({
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'x-correlation-id': `cor-${subject}`,
      traceparent: TRACE,
    });
  }
  expect(JSON.parse(first.text)).toMatchObject({
    specversion: '1.0',
    type: 'lastro.payment.authorized.v1',
    subject,
    tenantid: TENANT,
    correlationid: `cor-${subject}`,
    sequence: '0000000001',
    data: { amount: 100 },
  });
  expect([first.sequence, second.sequence]).toEqual([1, 2]);
  expect(first.id).not.toBe(second.id);
  await world.waitUntil(async () => (await deliveriesOf(endpoint, '?status=delivered')).length === 2);
  const [last] = await deliveriesOf(endpoint);
  expect(last).toMatchObject({
    subject,
    sequence: 2,
    correlation_id: `cor-${subject}`,
    attempts: [{ outcome: 'delivered', status: 204 }],
  });
});

test('a filter lets through what it names, to its own tenant alone', async () => {
  const endpoint = await givenEndpoint({ events: ['payment.completed', 'refund.*'] });
  await world.say(paymentId(), ['payment.completed'], 'other');
  await world.say(paymentId(), ['payment.authorized', 'payment.completed']);
  const [first] = await told(endpoint.path, 1);
  expect(first).toMatchObject({ type: 'lastro.payment.completed.v1', sequence: 1 });
  expect(await deliveriesOf(endpoint)).toHaveLength(1);
});

describe('U18: order per subject', () => {
  test('a delivery that fails holds back its own subject at that endpoint, and nothing else', async () => {
    const [failing, other] = [await givenEndpoint(), await givenEndpoint()];
    const [held, free] = [paymentId(), paymentId()];
    let isFailing = true;
    world.receiver.conduct = ({ path, subject }) => ({
      status: isFailing && path === failing.path && subject === held ? 503 : 204,
    });
    await world.say(held, ['payment.authorized', 'payment.completed']);
    await world.say(free, ['payment.authorized', 'payment.completed']);
    await told(other.path, 4);
    await told(failing.path, 2);
    expect(world.receiver.takenAt(failing.path).every(({ subject }) => subject === free)).toBe(true);
    expect(world.receiver.at(failing.path).filter(({ subject }) => subject === held)).toHaveLength(1);
    isFailing = false;
    world.advance(6000);
    await told(failing.path, 4);
    const came = world.receiver.at(failing.path).filter(({ subject }) => subject === held);
    expect(came.map(({ sequence }) => sequence)).toEqual([1, 1, 2]);
    expect(came[0]?.id).toBe(came[1]?.id);
    expect(came[0]?.headers['webhook-timestamp']).not.toBe(came[1]?.headers['webhook-timestamp']);
  });

  test('holds with two processes, and a receiver that fails now and then', async () => {
    const second = await world.process({ partitions: [] });
    const endpoint = await givenEndpoint();
    const subjects = Array.from({ length: 40 }, paymentId);
    const seen = new Set<string>();
    world.receiver.conduct = ({ id }) => {
      const isFirst = !seen.has(id);
      seen.add(id);
      return { status: isFirst && seen.size % 7 === 0 ? 500 : 204 };
    };
    const TYPES = ['payment.authorized', 'payment.completed', 'payment.compensated'];
    for (const type of TYPES) await Promise.all(subjects.map((subject) => world.say(subject, [type])));
    await world.waitUntil(() => {
      world.advance(100);
      return world.receiver.takenAt(endpoint.path).length >= subjects.length * TYPES.length;
    });
    const bySubject = Map.groupBy(world.receiver.takenAt(endpoint.path), ({ subject }) => subject);
    for (const subject of subjects)
      expect(bySubject.get(subject)?.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(second.failures).toEqual([]);
  });
});

test('U4: a process that is killed between attempt and answer: the message comes again under the same id', async () => {
  const endpoint = await givenEndpoint();
  world.receiver.conduct = () => 'hang';
  await world.say(paymentId(), ['payment.completed']);
  await world.waitUntil(() => world.receiver.at(endpoint.path).length === 1);
  process.kill();
  world.receiver.conduct = () => ({ status: 204 });
  process = await world.process();
  world.advance(31_000);
  await told(endpoint.path, 1);
  const [first, again] = world.receiver.at(endpoint.path);
  expect(again?.id).toBe(first?.id);
  expect(again?.text).toBe(first?.text);
  await world.waitUntil(async () => (await deliveriesOf(endpoint))[0]?.status === 'delivered');
  const [delivery] = await deliveriesOf(endpoint);
  expect(delivery?.attempts.map(({ outcome }) => outcome)).toEqual([null, 'delivered']);
});

describe('a secret', () => {
  test('that was rotated signs beside the new one', async () => {
    const endpoint = await givenEndpoint();
    const { body } = await call('POST', `${endpoint.url}/rotate-secret`, {});
    expect(body.secret).not.toBe(endpoint.secret);
    await world.say(paymentId(), ['payment.completed']);
    const [received] = await told(endpoint.path, 1);
    for (const secret of [endpoint.secret, body.secret])
      expect(faultOf(received as Received, secret)).toBeUndefined();
    world.advance(24 * 3_600_000);
    await world.say(paymentId(), ['payment.completed']);
    await told(endpoint.path, 2);
    const last = world.receiver.takenAt(endpoint.path)[1];
    expect(last?.headers['webhook-signature']?.split(' ')).toHaveLength(1);
  });

  test('U13: is in no table and no answer but the one that gives it', async () => {
    const endpoint = await givenEndpoint();
    const rotated = await call('POST', `${endpoint.url}/rotate-secret`, {});
    await world.say(paymentId(), ['payment.completed']);
    await told(endpoint.path, 1);
    const answers = await Promise.all([
      call('GET', endpoint.url),
      call('GET', '/v1/webhook-endpoints'),
      call('GET', `${endpoint.url}/deliveries`),
    ]);
    const everything = JSON.stringify([await dumpTables(world.database.url), answers]);
    for (const secret of [endpoint.secret, rotated.body.secret])
      expect(everything).not.toContain(secret.slice('whsec_'.length));
  });
});

describe('an endpoint', () => {
  test('that answers 410 is disabled with an event; what came meanwhile is skipped, and a replay sends it', async () => {
    const watcher = await givenEndpoint({ events: ['webhook_endpoint.disabled'] });
    const endpoint = await givenEndpoint();
    world.receiver.conduct = ({ path }) => ({ status: path === endpoint.path ? 410 : 204 });
    const from = new Date(world.clock.now() - 1000).toISOString();
    await world.say(paymentId(), ['payment.authorized']);
    const [event] = await told(watcher.path, 1);
    expect(event).toMatchObject({ data: { endpoint_id: endpoint.id, reason: 'gone' } });
    expect((await call('GET', endpoint.url)).body).toMatchObject({
      status: 'disabled',
      disabled_reason: 'gone',
    });
    const missed = paymentId();
    await world.say(missed, ['payment.authorized', 'payment.completed']);
    await world.waitUntil(async () => (await deliveriesOf(endpoint, '?status=skipped')).length === 2);
    world.receiver.conduct = () => ({ status: 204 });
    await call('PATCH', endpoint.url, { status: 'enabled' });
    await told(endpoint.path, 1); // the one that was answered 410
    const replay = await call('POST', `${endpoint.url}/replays`, {
      from,
      to: new Date(world.clock.now() + 60_000).toISOString(),
      subject: missed,
    });
    expect([replay.status, replay.body['total']]).toEqual([202, 2]);
    await told(endpoint.path, 3);
    const came = world.receiver.takenAt(endpoint.path).filter(({ subject }) => subject === missed);
    expect(came.map(({ sequence }) => sequence)).toEqual([1, 2]);
    await world.waitUntil(async () => {
      const { body } = await call('GET', `${endpoint.url}/replays/${replay.body.id}`);
      return body['status'] === 'completed' && body['queued'] === 2;
    });
  });

  test('sends again what it has of the longest time that can be asked for', async () => {
    const endpoint = await givenEndpoint();
    const longest = { from: '0000-01-01T00:00:00Z', to: '9999-12-31T23:59:59-23:59' };
    const reversed = await call('POST', `${endpoint.url}/replays`, { from: longest.to, to: longest.from });
    expect([reversed.status, reversed.body['code']]).toEqual([422, 'webhooks.range_reversed']);
    const replay = await call('POST', `${endpoint.url}/replays`, longest);
    expect(replay.status).toBe(202);
    expect((await call('GET', `${endpoint.url}/replays/${replay.body.id}`)).body).toMatchObject({
      from: '0001-01-01T00:00:00.000Z',
      to: '9999-12-31T23:59:59.999Z',
    });
  });

  test('is sent again what is known still, and no more is said to be queued', async () => {
    const endpoint = await givenEndpoint();
    const [forgotten, known] = [paymentId(), paymentId()];
    await world.say(forgotten, ['payment.completed']);
    await world.say(known, ['payment.completed']);
    await told(endpoint.path, 2);
    await world.waitUntil(async () => (await deliveriesOf(endpoint, '?status=delivered')).length === 2);
    await world.owner.query('delete from notification.messages where subject = $1', [forgotten]);
    const longest = { from: '0000-01-01T00:00:00Z', to: '9999-12-31T23:59:59Z' };
    const { body: asked } = await call('POST', `${endpoint.url}/replays`, longest);
    await told(endpoint.path, 3);
    await world.waitUntil(
      async () => (await call('GET', `${endpoint.url}/replays/${asked.id}`)).body['status'] === 'completed',
    );
    const { body } = await call('GET', `${endpoint.url}/replays/${asked.id}`);
    expect(body).toMatchObject({ total: 2, queued: 1 });
    expect(world.receiver.takenAt(endpoint.path)[2]?.subject).toBe(known);
  });

  test('at which nothing succeeds for days is disabled with an event', async () => {
    const watcher = await givenEndpoint({ events: ['webhook_endpoint.*'] });
    const endpoint = await givenEndpoint();
    world.receiver.conduct = ({ path }) => ({ status: path === endpoint.path ? 500 : 204 });
    await world.say(paymentId(), ['payment.completed']);
    await world.waitUntil(async () => (await call('GET', endpoint.url)).body['failing_since'] !== null);
    world.advance(6 * 86_400_000);
    const [event] = await told(watcher.path, 1);
    expect(event).toMatchObject({ data: { endpoint_id: endpoint.id, reason: 'failing' } });
  });

  test('that hangs delays no other', async () => {
    const [hanging, other] = [await givenEndpoint(), await givenEndpoint()];
    world.receiver.conduct = ({ path }) => (path === hanging.path ? 'hang' : { status: 204 });
    await Promise.all(Array.from({ length: 50 }, () => world.say(paymentId(), ['payment.completed'])));
    await told(other.path, 50);
    // As many as it is given, and no more.
    expect(world.receiver.at(hanging.path).length).toBeLessThanOrEqual(8);
  });
});

describe('U10: what fails', () => {
  test('by a redirection is not followed, and is tried again', async () => {
    const endpoint = await givenEndpoint();
    world.receiver.conduct = () => ({ status: 302, headers: { location: '/elsewhere' } });
    await world.say(paymentId(), ['payment.completed']);
    await world.waitUntil(async () => (await deliveriesOf(endpoint))[0]?.attempts[0]?.status === 302);
    expect(world.receiver.at('/elsewhere')).toEqual([]);
    expect((await deliveriesOf(endpoint))[0]).toMatchObject({ status: 'pending' });
  });

  test('waits as long as its receiver asks for, and shows the first kilobyte of what it said', async () => {
    const endpoint = await givenEndpoint();
    const body = 'slowly, please '.repeat(100);
    world.receiver.conduct = () => ({ status: 429, headers: { 'retry-after': '600' }, body });
    await world.say(paymentId(), ['payment.completed']);
    await world.waitUntil(async () => (await deliveriesOf(endpoint))[0]?.attempts[0]?.status === 429);
    const [delivery] = await deliveriesOf(endpoint);
    expect(Date.parse(delivery?.next_attempt_at ?? '')).toBeGreaterThan(world.clock.now() + 590_000);
    expect(delivery?.attempts[0]?.answer).toBe(body.slice(0, 1024));
  });
});

test('a test and a redelivery are sent; what is sent again keeps its id and its number', async () => {
  const endpoint = await givenEndpoint();
  expect((await call('POST', `${endpoint.url}/test`, {})).status).toBe(202);
  const [probe] = await told(endpoint.path, 1);
  expect(probe).toMatchObject({
    type: 'lastro.webhook_endpoint.test.v1',
    data: { endpoint_id: endpoint.id },
  });
  expect(faultOf(probe as Received, endpoint.secret)).toBeUndefined();
  const subject = paymentId();
  await world.say(subject, ['payment.completed']);
  await told(endpoint.path, 2);
  const [delivery] = await deliveriesOf(endpoint, `?subject=${subject}`);
  expect((await call('POST', `${endpoint.url}/deliveries/${delivery?.id}/redeliver`, {})).status).toBe(202);
  const [, first, again] = await told(endpoint.path, 3);
  expect([again?.id, again?.text]).toEqual([first?.id, first?.text]);
});

test('U3: events that are delivered again to the consumer change nothing', async () => {
  const endpoint = await givenEndpoint();
  await world.say(paymentId(), ['payment.authorized', 'payment.completed']);
  await told(endpoint.path, 2);
  await world.waitUntil(async () => (await deliveriesOf(endpoint, '?status=delivered')).length === 2);
  await world.stopProcesses();
  const before = await dumpTables(world.database.url);
  await setBack(world.database.url, ['webhooks']);
  process = await world.process();
  await world.waitUntil(async () => {
    const { rows } = await world.owner.query(
      `select from log.positions p join log.heads h using (topic, partition)
       where p.consumer_group = 'webhooks' and p.position < h.position`,
    );
    return rows.length === 0;
  });
  const after = await dumpTables(world.database.url);
  for (const table of ['messages', 'lanes', 'deliveries', 'delivery_attempts'])
    expect(after[`notification.${table}`]).toEqual(before[`notification.${table}`]);
});

test('D3: what waits at an endpoint that is disabled or deleted is looked for no more, and takes no turn from others', async () => {
  const [enabled, disabled, deleted] = [await givenEndpoint(), await givenEndpoint(), await givenEndpoint()];
  world.receiver.conduct = () => ({ status: 503 });
  await world.say(paymentId(), ['payment.completed']);
  for (const { path } of [enabled, disabled, deleted])
    await world.waitUntil(() => world.receiver.at(path).length > 0);
  await world.stopProcesses();
  await world.owner.query(
    `update notification.endpoints e set status = v.status
     from (values ($1, 'disabled'), ($2, 'deleted')) as v(url, status) where e.url = v.url`,
    [disabled, deleted].map(({ path }) => world.receiver.url + path),
  );
  const session = new Session({ url: world.database.url, name: 'looks' });
  const due = await findDueEndpoints(session, world.clock.now() + 24 * 3_600_000);
  await session.close();
  const { rows } = await world.owner.query<{ path: string }>(
    'select url as path from notification.endpoints where endpoint_key = any ($1::bigint[])',
    [due.map(({ key }) => String(key))],
  );
  expect(rows.map(({ path }) => path)).toEqual([world.receiver.url + enabled.path]);
});

describe('the API', () => {
  test('U13: takes the secret of an endpoint from the vault, also if that was broken off when it was deleted', async () => {
    const endpoint = await givenEndpoint();
    const secrets = () =>
      world.owner.query('select from vault.secrets where name like $1', [`%${endpoint.id}`]);
    expect((await secrets()).rowCount).toBe(1);
    await world.owner.query(`update notification.endpoints set status = 'deleted'`);
    expect((await call('DELETE', endpoint.url)).status).toBe(404);
    expect((await secrets()).rowCount).toBe(0);
  });

  test('shows, lists, changes and deletes the caller’s own endpoints', async () => {
    const endpoint = await givenEndpoint({ description: 'ours' });
    expect((await call('GET', endpoint.url)).body).toMatchObject({
      id: endpoint.id,
      status: 'enabled',
      description: 'ours',
    });
    const { body } = await call('PATCH', endpoint.url, {
      events: ['card.*'],
      description: null,
      status: 'disabled',
    });
    expect(body).toMatchObject({
      events: ['card.*'],
      description: null,
      status: 'disabled',
      disabled_reason: 'requested',
    });
    expect((await call('POST', `${endpoint.url}/test`, {})).body.code).toBe('webhooks.endpoint_disabled');
    const { body: list } = await call('GET', '/v1/webhook-endpoints?limit=1');
    expect(list['data']).toMatchObject([{ id: endpoint.id }]);
    for (const [method, url] of [
      ['GET', endpoint.url],
      ['PATCH', endpoint.url],
      ['DELETE', endpoint.url],
      ['GET', `${endpoint.url}/deliveries`],
      ['POST', `${endpoint.url}/test`],
      ['POST', `${endpoint.url}/rotate-secret`],
    ] as const)
      expect(
        (await call(method, url, method === 'GET' || method === 'DELETE' ? undefined : {}, 'other')).body
          .code,
      ).toBe('webhooks.endpoint_not_found');
    expect((await call('DELETE', endpoint.url)).status).toBe(204);
    expect((await call('GET', endpoint.url)).status).toBe(404);
  });

  test.each([
    ['an event that there is not', { events: ['payment.flew'] }, 'webhooks.unknown_event'],
    ['a URL that is none', { url: 'nowhere' }, 'webhooks.url_refused'],
    ['credentials in the URL', { url: 'https://a:b@example.com/' }, 'webhooks.url_refused'],
  ])('refuses %s', async (_what, more, code) => {
    const body = { url: world.receiver.url, events: ['payment.*'], ...more };
    const answer = await call('POST', '/v1/webhook-endpoints', body);
    expect([answer.status, answer.body.code]).toEqual([422, code]);
  });

  test('U18: in production it takes no address of this machine or its neighbours, nor a URL without TLS', async () => {
    process = await world.process({ reach: 'public', partitions: [] });
    for (const url of [
      'http://example.com/',
      'https://127.0.0.1/',
      'https://localhost/',
      'https://[::ffff:10.0.0.1]/',
      'https://169.254.169.254/',
    ]) {
      const answer = await call('POST', '/v1/webhook-endpoints', { url, events: ['*'] });
      expect([url, answer.status, answer.body.code]).toEqual([url, 422, 'webhooks.url_refused']);
    }
  });
});
