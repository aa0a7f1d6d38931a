/** Dead letters as their callers have them (U11): over HTTP, with two processes that share the work. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '#platform/log/event.ts';
import { appendEvents } from './append-events.ts';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http, type LastroProcess, runLastro } from './lastro-process.ts';
import { mend, POISON_AMOUNT, poison } from './poisoned-tables.ts';
import { ask } from './redelivery.ts';

let home: LastroHome;
let lastro: LastroProcess;
let stranger: Record<string, string>;
let reader: Record<string, string>;
/** Payments that validation cannot answer, in the order asked for. */
const bad: string[] = [];
const good: string[] = [];

beforeAll(async () => {
  home = await LastroHome.open();
  lastro = await home.start();
  await home.start();
  const installation = { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
  stranger = bearer(await runLastro(['keys', 'create', '--tenant', 'stranger'], installation));
  reader = bearer(await runLastro(['keys', 'create', '--scopes', 'dead_letters:read'], installation));
  await poison(home.database.url, 'validation');
  for (let index = 0; index < 6; index++) {
    bad.push(await pay(POISON_AMOUNT));
    good.push(await pay(100 + index));
  }
}, 60_000);

afterAll(() => home.remove());

function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${/lk_\w+/.exec(key)?.[0]}` };
}

async function pay(amount: number): Promise<string> {
  const body = { wallet_id: 'wal-1234', service_id: 'abc-1234', amount, currency: 'USD', method: 'balance' };
  const headers = { 'idempotency-key': `dead-${bad.length}-${good.length}-${amount}` };
  return (await http(`${lastro.url}/v1/payments`, { body, headers })).json()['id'] as string;
}

function get(path: string, headers: Record<string, string> = {}): Promise<HttpAnswer> {
  return http(`${lastro.url}/v1/${path}`, { headers });
}

function post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<HttpAnswer> {
  return http(`${lastro.url}/v1/dead-letters/${path}`, { body, headers });
}

async function statusOf(payment: string): Promise<string> {
  return (await get(`payments/${payment}`)).json()['status'] as string;
}

interface Letter {
  readonly id: string;
  readonly subject: string;
  readonly state: string;
  readonly order: { action: string; requested_by: string } | null;
}

async function list(query = ''): Promise<Letter[]> {
  const answer = await get(`dead-letters?${query}`);
  expect(answer.status).toBe(200);
  return answer.json()['data'] as Letter[];
}

async function letterOf(payment: string | undefined): Promise<string> {
  const found = async () => (await list(`subject=${payment}`))[0]?.id;
  await expect.poll(found).toMatch(/^dlt_/);
  return (await found()) as string;
}

function stateOf(id: string): () => Promise<unknown> {
  return async () => (await get(`dead-letters/${id}`)).json()['state'];
}

test('what goes well goes on; what cannot be handled is listed, newest first, by filters and pages', async () => {
  for (const payment of good) await expect.poll(() => statusOf(payment)).toBe('completed');
  const open = async () => (await list('state=open')).map(({ subject }) => subject);
  await expect.poll(async () => (await open()).length).toBe(bad.length);
  expect((await open()).toSorted()).toEqual(bad.toSorted());
  const ids = (await list()).map(({ id }) => id);
  expect(ids).toEqual(ids.toSorted().toReversed());
  expect(await list('group=validation&type=payment.requested&error_code=23514&topic=payments')).toHaveLength(
    6,
  );
  expect(await list('group=ledger')).toEqual([]);
  expect(await list('state=replayed')).toEqual([]);
  expect(await list('failed_to=2020-01-01T00:00:00Z')).toEqual([]);
  expect(await list('failed_from=2020-01-01T00:00:00Z')).toHaveLength(6);
  expect(await list('failed_from=0000-01-01T00:00:00Z&failed_to=9999-12-31T23:59:59-23:59')).toHaveLength(6);
  expect(await list('failed_to=0000-06-01T00:00:00%2B05:00')).toEqual([]);
  const page = (await get('dead-letters?limit=4')).json();
  const next = (await get(`dead-letters?limit=4&cursor=${String(page['next_cursor'])}`)).json();
  const paged = [...(page['data'] as Letter[]), ...(next['data'] as Letter[])].map(({ id }) => id);
  expect(paged).toEqual(ids);
  expect(next['next_cursor']).toBeNull();
});

test('a dead letter shows the event, what it failed with, what waits behind it and who did what', async () => {
  const id = await letterOf(bad[0]);
  const cancel = await http(`${lastro.url}/v1/payments/${bad[0]}/cancel`, {
    body: {},
    headers: { 'idempotency-key': 'dead-cancel' },
  });
  expect(cancel.status).toBe(202);
  const parked = async () => (await get(`dead-letters/${id}`)).json()['parked'] as { count: number };
  await expect.poll(async () => (await parked()).count).toBe(1);
  expect((await get(`dead-letters/${id}`)).json()).toMatchObject({
    group: 'validation',
    state: 'open',
    attempts: 3,
    error: { code: '23514', detail: expect.stringContaining('SQLSTATE 23514') as unknown },
    order: null,
    event: {
      specversion: '1.0',
      type: 'lastro.payment.requested.v1',
      subject: bad[0],
      data: { amount: POISON_AMOUNT },
    },
    edited_data: null,
    parked: { count: 1, first: [expect.stringMatching(/^payments\/\d+\/\d+$/)] },
    actions: [{ action: 'dead_lettered', actor: 'validation', detail: null }],
  });
  for (const path of [`dead-letters/${id}`, 'dead-letters'])
    expect((await get(path)).text).not.toContain('poisoned');
});

test('another tenant sees none of it and orders nothing; a key that may read may not write', async () => {
  const id = await letterOf(bad[0]);
  expect((await get('dead-letters', stranger)).json()['data']).toEqual([]);
  for (const answer of [
    await get(`dead-letters/${id}`, stranger),
    await post(`${id}/replay`, {}, stranger),
    await post(`${id}/skip`, { reason: 'x' }, stranger),
    await get('dead-letters/dlt_nobody'),
  ]) {
    expect([answer.status, answer.json()['code']]).toEqual([404, 'dead_letters.not_found']);
  }
  expect((await get(`dead-letters/${id}`, reader)).status).toBe(200);
  expect((await post(`${id}/replay`, {}, reader)).status).toBe(403);
  const others = await post('replays', {}, stranger);
  expect(others.json()).toMatchObject({ total: 0, state: 'done' });
  const replay = others.json()['id'] as string;
  expect((await get(`dead-letters/replays/${replay}`, stranger)).status).toBe(200);
  expect((await get(`dead-letters/replays/${replay}`)).json()['code']).toBe('dead_letters.replay_not_found');
});

test('giving up needs a reason; an edit that breaks the contract or changes a term is refused, and nothing changes', async () => {
  const id = await letterOf(bad[1]);
  for (const action of ['skip', 'discard'])
    for (const body of [{}, { reason: '' }, { reason: 'x', more: 1 }])
      expect((await post(`${id}/${action}`, body)).status).toBe(400);
  const event = (await get(`dead-letters/${id}`)).json()['event'] as { data: Record<string, unknown> };
  const { amount: _amount, ...without } = event.data;
  const broken = await post(`${id}/replay`, { data: { ...without, note: 'x' } });
  expect(broken.status).toBe(422);
  expect(broken.json()).toMatchObject({
    code: 'dead_letters.invalid_data',
    errors: expect.arrayContaining([
      expect.objectContaining({ pointer: '/data/amount', code: 'required' }),
      expect.objectContaining({ pointer: '/data/note', code: 'unknown_member' }),
    ]) as unknown,
  });
  const dearer = await post(`${id}/replay`, { data: { ...event.data, amount: 1 } });
  expect(dearer.status).toBe(422);
  expect(dearer.json()).toMatchObject({
    code: 'dead_letters.terms_changed',
    errors: [{ pointer: '/data/amount' }],
  });
  const detail = (await get(`dead-letters/${id}`)).json();
  expect(detail).toMatchObject({ state: 'open', order: null, attempts: 3 });
  expect(detail['actions']).toHaveLength(1);
});

test('a replay before the mending fails, is told, and the same key gets the same answer', async () => {
  const id = await letterOf(bad[1]);
  const key = { 'idempotency-key': 'too-early' };
  const first = await post(`${id}/replay`, { reason: 'trying' }, key);
  expect(first.status).toBe(202);
  expect(first.json()).toMatchObject({ id, state: 'open', order: { action: 'replay' } });
  const attempts = async () => (await get(`dead-letters/${id}`)).json()['attempts'];
  await expect.poll(attempts).toBe(4);
  const again = await post(`${id}/replay`, { reason: 'trying' }, key);
  expect([again.status, again.text, again.headers.get('idempotency-replayed')]).toEqual([
    202,
    first.text,
    'true',
  ]);
  const other = await post(`${id}/replay`, { reason: 'other' }, key);
  expect([other.status, other.json()['code']]).toEqual([422, 'dead_letters.idempotency_key_reused']);
  const { actions } = (await get(`dead-letters/${id}`)).json() as { actions: { action: string }[] };
  expect(actions.map(({ action }) => action)).toEqual(['dead_lettered', 'replay_requested', 'replay_failed']);
});

test('mended, single events are replayed, edited, skipped and discarded, and what is resolved stays so', async () => {
  await mend(home.database.url, 'validation');
  const [replayed, edited, skipped, discarded] = await Promise.all(bad.slice(0, 4).map(letterOf));
  const { data } = (await get(`dead-letters/${edited}`)).json()['event'] as { data: Record<string, unknown> };
  const bare = await http(`${lastro.url}/v1/dead-letters/${replayed}/replay`, { method: 'POST' });
  expect(bare.status).toBe(202);
  const description = 'edited by hand';
  expect((await post(`${edited}/replay`, { data: { ...data, description }, reason: 'mended' })).status).toBe(
    202,
  );
  for (const reason of ['', '   ', '\u200b', 'x'.repeat(501)])
    expect((await post(`${skipped}/skip`, { reason })).status).toBe(400);
  expect((await post(`${skipped}/skip`, { reason: 'not wanted any more' })).status).toBe(202);
  expect((await post(`${discarded}/discard`, { reason: 'not wanted either' })).status).toBe(202);
  await expect.poll(stateOf(replayed ?? '')).toBe('replayed');
  await expect.poll(stateOf(edited ?? '')).toBe('replayed');
  await expect.poll(stateOf(skipped ?? '')).toBe('skipped');
  await expect.poll(stateOf(discarded ?? '')).toBe('discarded');
  // What waited behind the first was its cancel.
  await expect.poll(() => statusOf(bad[0] ?? '')).toMatch(/completed|cancelled/);
  await expect.poll(() => statusOf(bad[1] ?? '')).toBe('completed');
  expect(await statusOf(bad[2] ?? '')).toBe('pending');
  const detail = (await get(`dead-letters/${edited}`)).json();
  expect(detail).toMatchObject({
    edited: true,
    edited_data: { description },
    event: { data: { description: null } },
  });
  expect(detail['actions']).toContainEqual(
    expect.objectContaining({
      action: 'replay_requested',
      actor: 'sandbox',
      reason: 'mended',
      data_before: data,
      data_after: { ...data, description },
    }),
  );
  for (const [id, action] of [
    [replayed, 'replay'],
    [skipped, 'discard'],
    [discarded, 'skip'],
  ] as const) {
    const answer = await post(`${id}/${action}`, { reason: 'again' });
    expect([answer.status, answer.json()['code']]).toEqual([409, 'dead_letters.resolved']);
  }
});

test('the command line lists, shows and orders as the API does, in the name of the user', async () => {
  const installation = { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
  const [open] = await list('state=open');
  const id = open?.id ?? '';
  const listed = await runLastro(['dead-letters', 'list'], installation);
  expect(listed.split('\n').find((line) => line.startsWith(id))).toContain('payment.requested');
  const shown = JSON.parse(await runLastro(['dead-letters', 'show', id], installation)) as unknown;
  expect(shown).toEqual((await get(`dead-letters/${id}`)).json());
  const wrong = [
    [['--state', 'nope'], /open, replayed, skipped, discarded/],
    [['--tenant', 'nobody'], /no tenant nobody/],
  ] as const;
  for (const [given, fault] of wrong)
    await expect(runLastro(['dead-letters', 'list', ...given], installation)).rejects.toThrow(fault);
  for (const given of [[], ['--reason', '']])
    await expect(runLastro(['dead-letters', 'skip', id, ...given], installation)).rejects.toThrow(/--reason/);
  await runLastro(['dead-letters', 'replay', id, '--reason', 'by hand'], installation);
  await expect.poll(stateOf(id)).toBe('replayed');
  const { actions } = (await get(`dead-letters/${id}`)).json() as { actions: { actor: string }[] };
  expect(actions.at(-1)).toMatchObject({
    action: 'replayed',
    actor: expect.stringMatching(/^cli /) as unknown,
  });
  await expect(runLastro(['dead-letters', 'replay', id], installation)).rejects.toThrow(/was replayed/);
});

test('many are replayed as the frozen set that they were, with progress; nothing is left of them', async () => {
  const open = await list('state=open');
  const answer = await post('replays', { group: 'validation', type: 'payment.requested', reason: 'mended' });
  expect(answer.status).toBe(202);
  expect(answer.json()).toMatchObject({ total: open.length, state: 'running' });
  const id = answer.json()['id'] as string;
  await expect
    .poll(async () => (await get(`dead-letters/replays/${id}`)).json())
    .toMatchObject({ state: 'done', total: open.length, replayed: open.length, failed: 0 });
  expect(await list('state=open')).toEqual([]);
  for (const { subject } of open) await expect.poll(() => statusOf(subject)).toBe('completed');
  const bare = await http(`${lastro.url}/v1/dead-letters/replays`, { method: 'POST' });
  expect([bare.status, bare.json()['total']]).toEqual([202, 0]);
  const metrics = (await http(`${lastro.url}/metrics`)).text;
  expect(metrics).toMatch(/^lastro_dead_letters_open\{group="validation"\} 0$/m);
  expect(metrics).toMatch(/^lastro_parked_events\{group="validation"\} 0$/m);
});

test('a set may be named by its members: those that are open and the tenant’s are in it', async () => {
  const [resolved] = await list();
  const answer = await post('replays', { ids: [resolved?.id, 'dlt_nobody'] });
  expect(answer.status).toBe(202);
  expect(answer.json()).toMatchObject({ total: 0, state: 'done' });
  expect((await post('replays', { ids: [] })).status).toBe(400);
  expect((await post('replays', { unknown: 1 })).status).toBe(400);
});

test('a term that the event lacks is brought back as its subject tells it, and as nothing else', async () => {
  await poison(home.database.url, 'validation');
  const payment = await pay(POISON_AMOUNT);
  const { event } = (await get(`dead-letters/${await letterOf(payment)}`)).json() as { event: CloudEvent };
  const { wallet_id, service_id, amount, currency, method } = event.data;
  await appendValidated(event, { wallet_id, service_id, currency, method });
  const authorization = async () => (await list(`subject=${payment}&group=authorization`))[0]?.id;
  await expect.poll(authorization).toMatch(/^dlt_/);
  const id = (await authorization()) as string;
  for (const [data, pointer] of [
    [{ wallet_id, service_id, amount: 1, currency, method }, '/data/amount'],
    [{ wallet_id, service_id: 'other', amount, currency, method }, '/data/service_id'],
  ] as const) {
    const answer = await post(`${id}/replay`, { data });
    expect(answer.json()).toMatchObject({ code: 'dead_letters.terms_changed', errors: [{ pointer }] });
  }
  const data = { wallet_id, service_id, amount, currency, method };
  expect((await post(`${id}/replay`, { data })).status).toBe(202);
  await expect.poll(stateOf(id)).toBe('replayed');
  await expect.poll(() => statusOf(payment)).toBe('completed');
});

interface CloudEvent {
  readonly id: string;
  readonly subject: string;
  readonly tenantid: string;
  readonly partitionkey: string;
  readonly correlationid: string;
  readonly data: Record<'wallet_id' | 'service_id' | 'amount' | 'currency' | 'method', JsonValue>;
}

/** As if validation had answered the request, and left something out. */
async function appendValidated(request: CloudEvent, data: JsonObject): Promise<void> {
  const { url } = home.database;
  const [heads] = await ask(
    url,
    `select count(*)::integer as count from log.heads where topic = 'validation'`,
  );
  await appendEvents({ url, partitions: heads?.['count'] as number }, 'validation', [
    {
      type: 'payment.validated',
      version: 1,
      subject: request.subject,
      tenant: request.tenantid,
      key: request.partitionkey,
      data,
      correlationId: request.correlationid,
      causation: request.id,
      traceparent: null,
    },
  ]);
}
