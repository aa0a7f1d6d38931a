/** Deliveries that were given up, in the one place where everything is that has failed for good (U11, F4). */
import { expect, test } from 'vitest';
import { type Id, uuidOf } from '#kernel/ids.ts';
import { executeGivenUp } from '#platform/dead-letters/given-up-orders.ts';
import { outcomeOfAnswer } from '#platform/egress/outcome.ts';
import { Session } from '#platform/postgres/session.ts';
import { PATIENCE } from '../../../../../tests/patience.ts';
import { aProcessForEach } from '../../../../../tests/webhook-tests.ts';
import {
  paymentId,
  TENANT,
  type WebhookProcess,
  type WebhookWorld,
} from '../../../../../tests/webhook-world.ts';
import { type Claim, claimDue } from '../claim-store.ts';
import { type Answered, recordAnswers } from '../record.ts';
import { RETRY_DELAYS_MS } from '../retry-schedule.ts';
import { WebhookLetters } from './webhook-letters.ts';

/** Any text of the pattern. */
const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern);

let world: WebhookWorld;
let process: WebhookProcess;
let paths = 0;

aProcessForEach((opened, started) => {
  world = opened;
  process = started;
});

type Body = Record<string, unknown>;

const call: WebhookProcess['call'] = (...asked) => process.call(...asked);

interface Endpoint {
  readonly id: string;
  readonly path: string;
}

async function givenEndpoint(more: object = {}): Promise<Endpoint> {
  const path = `/letters-${++paths}`;
  const asked = { url: world.receiver.url + path, events: ['payment.*'], ...more };
  const { body } = await call('POST', '/v1/webhook-endpoints', asked);
  return { id: body.id, path };
}

interface Letter {
  readonly id: string;
  readonly state: string;
  readonly subject: string;
  readonly work_id: string;
  readonly replayed_as: string | null;
  readonly actions: readonly Body[];
}

async function lettersOf({ id }: Endpoint, query = ''): Promise<Letter[]> {
  const { body } = await call('GET', `/v1/dead-letters?target=${id}&limit=500${query}`);
  return body['data'] as Letter[];
}

async function read(id: string): Promise<Letter> {
  return (await call('GET', `/v1/dead-letters/${id}`)).body as unknown as Letter;
}

/** Payments that are told of for the last time, and not taken; in the order of their letters. */
async function givenUp(endpoint: Endpoint, count: number, status = 503): Promise<Letter[]> {
  const { owner } = world;
  world.receiver.conduct = ({ path }) => ({ status: path === endpoint.path ? status : 204 });
  const before = (await lettersOf(endpoint)).length;
  const subjects = Array.from({ length: count }, paymentId);
  await Promise.all(subjects.map((subject) => world.say(subject, ['payment.completed'])));
  const ofThese = `from notification.lanes l where l.lane_key = d.lane_key and l.subject = any($1)`;
  await expect
    .poll(async () => {
      const { rowCount } = await owner.query(
        `select from notification.deliveries d where failures > 0 and exists (select ${ofThese})`,
        [subjects],
      );
      return rowCount;
    })
    .toBe(count);
  // The attempts of three days, without the days: the next one is the last.
  await owner.query(`update notification.deliveries d set failures = ${RETRY_DELAYS_MS.length} ${ofThese}`, [
    subjects,
  ]);
  world.advance(24 * 3_600_000);
  await expect.poll(async () => (await lettersOf(endpoint)).length).toBe(before + count);
  return (await lettersOf(endpoint)).filter(({ subject }) => subjects.includes(subject));
}

function order(id: string, action: string, body: object = {}) {
  return call('POST', `/v1/dead-letters/${id}/${action}`, body);
}

async function settled(id: string): Promise<Letter> {
  await expect.poll(async () => (await read(id)).state).not.toBe('open');
  return read(id);
}

function taken({ path }: Endpoint) {
  return world.receiver.takenAt(path);
}

test('U11: an exhausted delivery is an event and a dead letter, with its endpoint, its attempts and what was answered', async () => {
  const endpoint = await givenEndpoint();
  const [letter] = (await givenUp(endpoint, 1, 404)) as [Letter];
  expect(await read(letter.id)).toMatchObject({
    group: 'webhooks',
    type: 'payment.completed',
    target: endpoint.id,
    error: { code: 'webhooks.receiver_refuses', status: 404 },
    replayed_at_return: false,
    event: { subject: letter.subject },
    work: {
      id: letter.work_id,
      endpoint_id: endpoint.id,
      status: 'exhausted',
      attempts: [{}, { status: 404 }],
    },
    actions: [{ action: 'dead_lettered', actor: 'webhooks' }],
  });
  const { body } = await call('GET', `/v1/dead-letters/groups?target=${endpoint.id}`);
  expect(body).toMatchObject({
    data: [{ group: 'webhooks', target: endpoint.id, count: 1, example: letter.id }],
    complete: true,
  });
  const { rows } = await world.owner.query<{ data: string }>(
    `select data from notification.events where type = 'notification.exhausted' and subject = $1`,
    [letter.work_id],
  );
  expect(rows.map(({ data }) => JSON.parse(data) as Body)).toMatchObject([
    { endpoint_id: endpoint.id, about: 'payment.completed', subject: letter.subject, attempts: 2 },
  ]);
  const told = { group: 'webhooks', id: letter.id, target: endpoint.id, work: letter.work_id };
  await expect.poll(() => world.buried).toContainEqual(expect.objectContaining(told));
});

test('U11, U18: it is replayed under its message id and number; other data is refused, and another tenant', async () => {
  const endpoint = await givenEndpoint();
  const [letter] = (await givenUp(endpoint, 1, 404)) as [Letter];
  expect((await order(letter.id, 'replay', { data: {} })).body.code).toBe('dead_letters.not_editable');
  const theirs = await call('POST', `/v1/dead-letters/${letter.id}/replay`, {}, 'stranger');
  expect(theirs.body.code).toBe('dead_letters.not_found');
  world.receiver.conduct = () => ({ status: 204 });
  expect((await order(letter.id, 'replay')).status).toBe(202);
  const end = await settled(letter.id);
  expect(end).toMatchObject({ state: 'replayed', replayed_as: matching(/^dlv_/) });
  await expect.poll(() => taken(endpoint).length).toBe(1);
  const [first, , again] = world.receiver.at(endpoint.path);
  expect([again?.id, again?.sequence]).toEqual([first?.id, first?.sequence]);
  expect((await order(letter.id, 'discard', { reason: 'late' })).body.code).toBe('dead_letters.resolved');
});

test('U1: what was decided under a key is the answer of its copies, before anything is said against an edit', async () => {
  const endpoint = await givenEndpoint();
  const [letter] = (await givenUp(endpoint, 1, 404)) as [Letter];
  world.receiver.conduct = () => ({ status: 204 });
  const replay = (payload: object) =>
    process.app.inject({
      method: 'POST',
      url: `/v1/dead-letters/${letter.id}/replay`,
      payload,
      headers: { authorization: `Bearer ${TENANT}`, host: 'localhost', 'idempotency-key': letter.id },
    });
  const first = await replay({});
  expect(first.statusCode).toBe(202);
  await settled(letter.id);
  expect((await replay({})).body).toBe(first.body);
  expect((await replay({ data: {} })).json<Body>()['code']).toBe('dead_letters.idempotency_key_reused');
});

test('U11: many at an endpoint are replayed as a frozen set; what fails meanwhile is not of it', async () => {
  const endpoint = await givenEndpoint();
  const before = await givenUp(endpoint, 5, 404);
  world.receiver.conduct = () => ({ status: 204 });
  const asked = await call('POST', '/v1/dead-letters/replays', { target: endpoint.id });
  expect(asked).toMatchObject({ status: 202, body: { total: 5 } });
  const [later] = (await givenUp(endpoint, 1, 404)) as [Letter];
  world.receiver.conduct = () => ({ status: 204 });
  const progress = async () => (await call('GET', `/v1/dead-letters/replays/${asked.body.id}`)).body;
  await expect.poll(progress).toMatchObject({ state: 'done', replayed: 5, failed: 0 });
  expect((await read(later.id)).state).toBe('open');
  const states = await Promise.all(before.map(async ({ id }) => (await read(id)).state));
  expect(new Set(states)).toEqual(new Set(['replayed']));
});

test('U11: of a disabled endpoint the order fails and says why, and the dead letter stays', async () => {
  const endpoint = await givenEndpoint();
  const [letter] = (await givenUp(endpoint, 1, 404)) as [Letter];
  await call('PATCH', `/v1/webhook-endpoints/${endpoint.id}`, { status: 'disabled' });
  await order(letter.id, 'replay');
  await expect
    .poll(async () => (await read(letter.id)).actions.at(-1))
    .toMatchObject({
      action: 'replay_failed',
      detail: matching(/webhooks\.endpoint_disabled/),
    });
  expect(await read(letter.id)).toMatchObject({ state: 'open', order: null });
  await order(letter.id, 'discard', { reason: 'nobody is there' });
  expect((await settled(letter.id)).state).toBe('discarded');
});

test('U11: of a delivery that was forgotten the order fails and says that, and not that its endpoint was deleted', async () => {
  const endpoint = await givenEndpoint();
  const [letter] = (await givenUp(endpoint, 1, 404)) as [Letter];
  await world.owner.query('delete from notification.deliveries where id = $1', [
    uuidOf(letter.work_id as Id<'dlv'>),
  ]);
  await order(letter.id, 'replay');
  await expect
    .poll(async () => (await read(letter.id)).actions.at(-1))
    .toMatchObject({ action: 'replay_failed', detail: matching(/webhooks\.delivery_not_found/) });
});

test('U4: an order whose process is killed is executed by another one, once', async () => {
  const endpoint = await givenEndpoint();
  const letters = await givenUp(endpoint, 8, 404);
  world.receiver.conduct = () => ({ status: 204 });
  const asked = await call('POST', '/v1/dead-letters/replays', { target: endpoint.id });
  process.kill();
  process = await world.process();
  const progress = async () => (await call('GET', `/v1/dead-letters/replays/${asked.body.id}`)).body;
  await expect.poll(progress).toMatchObject({ state: 'done', replayed: 8 });
  const { rows } = await world.owner.query(
    `select count(*)::integer as made, count(distinct repeats)::integer as of from notification.deliveries d
     join notification.endpoints e using (endpoint_key) where e.url = $1 and repeats is not null`,
    [world.receiver.url + endpoint.path],
  );
  expect(rows).toEqual([{ made: letters.length, of: letters.length }]);
});

test('U4: an order whose commit is lost has done nothing, and is executed by one of two processes', async () => {
  const endpoint = await givenEndpoint();
  const [letter] = (await givenUp(endpoint, 1, 404)) as [Letter];
  await world.stopProcesses();
  const { rows } = await world.owner.query<{ id: string }>(
    `with asked as (
       insert into log.redeliveries (id, consumer_group, topic, partition, position, action, dead_letter, requested_by, requested_at)
       select gen_random_uuid(), consumer_group, topic, partition, position, 'replay', id, 'tests', now()
       from log.dead_letters where work = $1 returning id, consumer_group, partition, dead_letter
     )
     insert into log.pending_redeliveries (id, consumer_group, partition, dead_letter) select * from asked returning id`,
    [letter.work_id],
  );
  const id = rows[0]?.id ?? '';
  const work = new WebhookLetters({ reader: world.reader, onQueued: () => undefined });
  const [first, second] = ['first', 'second'].map(
    (name) => new Session({ url: world.database.url, name }),
  ) as [Session, Session];
  const execute = (session: Session, isLost = false): Promise<boolean> =>
    session.transaction(async (tx) => {
      const done = await executeGivenUp(tx, id, { work, now: world.clock.now() });
      if (isLost) throw new Error('the process was killed');
      return done !== undefined;
    });
  const made = async () =>
    (
      await world.owner.query('select from notification.deliveries where repeats = $1', [
        uuidOf(letter.work_id as Id<'dlv'>),
      ])
    ).rowCount;
  await expect(execute(first, true)).rejects.toThrow('killed');
  expect(await made()).toBe(0);
  const ends = await Promise.all([execute(first), execute(second)]);
  expect(ends.filter((isDone) => isDone)).toHaveLength(1);
  expect(await made()).toBe(1);
  await Promise.all([first.close(), second.close()]);
});

function answerOf(status: number) {
  const answer = { status, headers: {}, body: Buffer.alloc(0), isCut: false, isBrokenOff: false };
  return outcomeOfAnswer(answer, { now: world.clock.now(), latencyMs: 1 });
}

interface Taken {
  readonly subject: string;
  readonly claims: readonly Claim[];
  /** What became of them, in a commit of its own. */
  readonly record: (answered: readonly Answered[]) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** A delivery whose next failure is its last, taken so often: each time by somebody whose lease is over at once. */
async function givenTaken(times: number): Promise<Taken> {
  world.receiver.conduct = () => ({ status: 503 });
  const subject = paymentId();
  await world.say(subject, ['payment.completed']);
  const lane =
    'select endpoint_key from notification.lanes where subject = $1 and done_turn = 0 and attempts = 1';
  const findLane = () => world.owner.query<{ endpoint_key: string }>(lane, [subject]);
  await expect.poll(async () => (await findLane()).rowCount).toBe(1);
  await world.stopProcesses();
  const endpointKey = BigInt((await findLane()).rows[0]?.endpoint_key ?? 0);
  const session = new Session({ url: world.database.url, name: 'records' });
  world.advance(24 * 3_600_000);
  const now = world.clock.now();
  const claims: Claim[] = [];
  while (claims.length < times) {
    const [claim] = await claimDue(session, [{ endpointKey, room: 1 }], { now, leaseUntil: now });
    claims.push({ ...(claim as Claim), failures: RETRY_DELAYS_MS.length });
  }
  const how = {
    partitions: world.log.partitions,
    now,
    random: Math.random,
    observer: {},
    onDue: () => undefined,
  };
  return {
    subject,
    claims,
    record: (answered) => session.transaction((tx) => recordAnswers(tx, answered, how)),
    close: () => session.close(),
  };
}

async function endOf(subject: string) {
  const { rows } = await world.owner.query<{ status: string; letters: number }>(
    `select d.status, (select count(*)::integer from log.dead_letters l where l.subject = $1) as letters
     from notification.deliveries d join notification.lanes l using (lane_key) where l.subject = $1`,
    [subject],
  );
  return rows;
}

test('U11: of two attempts at a delivery that end in one commit, the one whose lease was over buries nothing', async () => {
  const endpoint = await givenEndpoint();
  const { subject, claims, record, close } = await givenTaken(2);
  const [late, own] = claims as [Claim, Claim];
  await record([
    { claim: late, outcome: answerOf(404) },
    { claim: own, outcome: answerOf(204) },
  ]);
  await close();
  expect(await endOf(subject)).toEqual([{ status: 'delivered', letters: 0 }]);
  process = await world.process();
  expect(await lettersOf(endpoint)).toEqual([]);
});

test('U4: an outcome that is recorded again, since its commit was lost from sight, buries the delivery once', async () => {
  await givenEndpoint();
  const { subject, claims, record, close } = await givenTaken(1);
  const answered = claims.map((claim) => ({ claim, outcome: answerOf(503) }));
  await record(answered);
  await record(answered);
  await close();
  expect(await endOf(subject)).toEqual([{ status: 'exhausted', letters: 1 }]);
  const { rows } = await world.owner.query(
    `select from notification.events where type = 'notification.exhausted' and causation = $1`,
    [claims[0]?.event],
  );
  expect(rows).toHaveLength(1);
});

test('U11: what is redelivered, or sent again by time, waits for nobody any more', async () => {
  const endpoint = await givenEndpoint();
  const [one, other] = (await givenUp(endpoint, 2, 404)) as [Letter, Letter];
  world.receiver.conduct = () => ({ status: 204 });
  const at = `/v1/webhook-endpoints/${endpoint.id}`;
  const again = await call('POST', `${at}/deliveries/${one.work_id}/redeliver`, {});
  expect(await read(one.id)).toMatchObject({ state: 'replayed', replayed_as: again.body['id'] });
  const to = new Date(world.clock.now() + 60_000).toISOString();
  const from = new Date(world.clock.now() - 3 * 86_400_000).toISOString();
  await call('POST', `${at}/replays`, { from, to, subject: other.subject });
  expect(await settled(other.id)).toMatchObject({ replayed_as: matching(/^dlv_/) });
});

test('U12: what was given up while the receiver was away is sent by itself when it is back, once', async () => {
  const endpoint = await givenEndpoint();
  const letters = await givenUp(endpoint, 3);
  expect(await lettersOf(endpoint)).toMatchObject(letters.map(() => ({ replayed_at_return: true })));
  world.receiver.conduct = () => ({ status: 204 });
  await expect
    .poll(
      async () => {
        await world.say(paymentId(), ['payment.completed']);
        return (await lettersOf(endpoint)).map(({ state }) => state);
      },
      { ...PATIENCE, interval: 200 },
    )
    .toEqual(letters.map(() => 'replayed'));
  const [{ id }] = letters as [Letter];
  expect((await read(id)).actions).toMatchObject([
    { action: 'dead_lettered' },
    { action: 'replay_requested', actor: 'webhooks', reason: 'Its destination answers again.' },
    { action: 'replayed', actor: 'webhooks' },
  ]);
  for (const { subject } of letters)
    await expect.poll(() => taken(endpoint).filter((each) => each.subject === subject).length).toBe(1);
});

test('U12: an endpoint that wants it so leaves what was given up to a person, until it wants it otherwise', async () => {
  const endpoint = await givenEndpoint({ automatic_replay: false });
  const [left] = (await givenUp(endpoint, 1)) as [Letter];
  const at = `/v1/webhook-endpoints/${endpoint.id}`;
  const { body } = await call('PATCH', at, { automatic_replay: true });
  expect(body['automatic_replay']).toBe(true);
  const [sent] = (await givenUp(endpoint, 1)) as [Letter];
  expect(await read(left.id)).toMatchObject({ replayed_at_return: false });
  expect(await read(sent.id)).toMatchObject({ replayed_at_return: true });
  expect((await call('PATCH', at, { automatic_replay: null })).status).toBe(400);
});

test('U12: what has waited three days for its receiver waits for a person, and says so', async () => {
  const endpoint = await givenEndpoint();
  const [young, old] = (await givenUp(endpoint, 2)) as [Letter, Letter];
  await world.owner.query(
    `update log.dead_letters set failed_last_at = failed_last_at - interval '3 days' where work = $1`,
    [old.work_id],
  );
  await expect
    .poll(async () => (await read(old.id)) as unknown)
    .toMatchObject({ state: 'open', replayed_at_return: false });
  expect(await read(young.id)).toMatchObject({ state: 'open', replayed_at_return: true });
});
