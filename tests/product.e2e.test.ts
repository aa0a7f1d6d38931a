import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderCursor } from '#platform/http/cursor.ts';
import { openEmbeddedPostgres } from '#platform/postgres/embedded/embedded-postgres.ts';
import { verify } from '#proof/verify.ts';
import {
  type HttpAnswer,
  http,
  type LastroProcess,
  runLastro,
  startLastroProcess,
} from './lastro-process.ts';

/** The whole product as a user has it: a folder of its own, one command, the embedded PostgreSQL. */
let folder: string;
let settings: Record<string, string>;
let lastro: LastroProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lastro-product-'));
  chmodSync(folder, 0o711); // root's PostgreSQL runs as nobody
  settings = { DATA_DIR: join(folder, 'data') };
  lastro = await startLastroProcess(settings);
});

afterAll(async () => {
  lastro.kill('SIGTERM');
  await lastro.ended;
  rmSync(folder, { recursive: true, force: true });
});

const ORDER = {
  wallet_id: 'wal-1234',
  service_id: 'abc-1234',
  amount: 1230,
  currency: 'USD',
  method: 'balance',
};

let keys = 0;

function newKey(): string {
  return `product-${++keys}`;
}

interface Asking {
  readonly key?: string | undefined;
  readonly bearer?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

function pay(body: unknown, { key = newKey(), bearer, headers = {} }: Asking = {}): Promise<HttpAnswer> {
  return http(`${lastro.url}/v1/payments`, {
    body,
    headers: { 'idempotency-key': key, ...authorization(bearer), ...headers },
  });
}

function get(path: string, bearer?: string): Promise<HttpAnswer> {
  return http(`${lastro.url}${path}`, { headers: authorization(bearer) });
}

function authorization(bearer: string | undefined): Record<string, string> {
  return bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
}

async function ended(answer: HttpAnswer, bearer?: string): Promise<Record<string, unknown>> {
  const path = `/v1/payments/${answer.json()['id'] as string}`;
  await expect.poll(async () => (await get(path, bearer)).json()['status']).not.toMatch(/pending|authorized/);
  return (await get(path, bearer)).json();
}

interface TimelineEvent {
  readonly id: string;
  readonly type: string;
  readonly occurred_at: string;
  readonly correlation_id: string;
  readonly causation: string;
}

async function timelineOf(id: string, count: number): Promise<TimelineEvent[]> {
  const events = async () => (await get(`/v1/payments/${id}/events`)).json()['data'] as TimelineEvent[];
  await expect.poll(async () => (await events()).length).toBe(count);
  return events();
}

/** As the database's owner, who may do what no service may. */
async function asOwner(text: string, values: unknown[]): Promise<Record<string, unknown>[]> {
  const server = await openEmbeddedPostgres({ dataDir: settings['DATA_DIR'] as string });
  const client = new Client({ connectionString: server.url });
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await client.end();
    await server.close();
  }
}

describe('a payment through all five stages', () => {
  /** Requirement D1's own command but for the port, which the test takes from the system. */
  const D1 = (port: string) => `curl --silent --location 'localhost:${port}/payments' \\
--header 'x-idempotent-key: 1234' \\
--header 'Content-Type: application/json' \\
--data '{ 
    "wallet_id": "wal-1234",
    "service_id": "abc-1234",
    "amount": 1230,
    "currency": "USD",
    "method": "balance"
}'`;
  let id: string;

  test('D1: the source’s own curl works on the sandbox, and its payment is completed', async () => {
    const { stdout } = await promisify(execFile)('sh', ['-c', D1(new URL(lastro.url).port)]);
    const accepted = JSON.parse(stdout) as Record<string, unknown>;
    expect(accepted).toMatchObject({ ...ORDER, status: 'pending', failure: null });
    id = accepted['id'] as string;
    await expect.poll(async () => (await get(`/v1/payments/${id}`)).json()['status']).toBe('completed');
  });

  test('D8, P2: its timeline is six events, each caused by the one before, under one correlation id', async () => {
    const events = await timelineOf(id, 6);
    expect(events.map(({ type }) => type)).toEqual([
      'payment.requested',
      'payment.validated',
      'payment.authorized',
      'entry.posted',
      'payment.completed',
      'notification.queued',
    ]);
    expect(events.slice(1).map(({ causation }) => causation)).toEqual(
      events.slice(0, -1).map((event) => event.id),
    );
    expect(events[0]?.causation).toMatch(/^req_/);
    expect(new Set(events.map((event) => event.correlation_id)).size).toBe(1);
    const times = events.map((event) => event.occurred_at);
    expect(times).toEqual(times.toSorted());
  });

  test('its timeline is read in pages as any list is, and a cursor that is not of it is refused', async () => {
    const path = `/v1/payments/${id}/events`;
    const pages: TimelineEvent[][] = [];
    for (let next: string | null = ''; next !== null; ) {
      const page = (await get(`${path}?limit=4${next === '' ? '' : `&cursor=${next}`}`)).json();
      pages.push(page['data'] as TimelineEvent[]);
      next = page['next_cursor'] as string | null;
    }
    expect(pages.map(({ length }) => length)).toEqual([4, 2]);
    expect(pages.flat()).toEqual(await timelineOf(id, 6));
    const foreign = Buffer.from(JSON.stringify(['v1', 'payments/0/999999'])).toString('base64url');
    for (const query of ['limit=0', 'limit=501', 'cursor=x', `cursor=${foreign}`, 'after=1'])
      expect([query, (await get(`${path}?${query}`)).status]).toEqual([query, 400]);
  });

  test('D6: the money has moved once, on both sides', async () => {
    const [wallet, service] = await Promise.all([get('/v1/accounts/wal-1234'), get('/v1/accounts/abc-1234')]);
    expect(wallet.json()['balance']).toMatchObject({
      posted: 100_000_000 - 1230,
      held: 0,
      available: 100_000_000 - 1230,
    });
    expect(service.json()['balance']).toMatchObject({ posted: 1230, held: 0 });
  });

  test('its notification is rendered and can be read', async () => {
    const { data } = (await get(`/v1/payments/${id}/notifications`)).json() as {
      data: { payload: unknown }[];
    };
    expect(data).toHaveLength(1);
    expect(data[0]?.payload).toMatchObject({
      type: 'payment.completed',
      data: { payment_id: id, amount_text: '12.30 USD' },
    });
  });

  test('P5: its verdict is complete, and stays so when somebody forges its status', async () => {
    const verdict = async () => (await get(`/v1/payments/${id}/verdict`)).json();
    await expect.poll(async () => (await verdict())['verdict']).toBe('complete');
    const before = await verdict();
    expect(before['stages']).toHaveLength(6);
    const forged = await asOwner(
      `update payments.payments set status = 'failed', failure_code = 'x', failure_detail = 'y' where wallet_id = 'wal-1234' returning id`,
      [],
    );
    expect(forged).toHaveLength(1);
    expect((await get(`/v1/payments/${id}`)).json()['status']).toBe('failed');
    expect(await verdict()).toEqual(before);
    await asOwner(
      `update payments.payments set status = 'completed', failure_code = null, failure_detail = null`,
      [],
    );
  });

  test('the caller’s correlation id is the payment’s', async () => {
    const answer = await pay(ORDER, { headers: { 'x-correlation-id': 'shop-order-77' } });
    expect(answer.headers.get('x-correlation-id')).toBe('shop-order-77');
    const events = await timelineOf(answer.json()['id'] as string, 6);
    expect(new Set(events.map((event) => event.correlation_id))).toEqual(new Set(['shop-order-77']));
  });

  test('Prefer: wait gives the final state, also to a replay', async () => {
    const key = newKey();
    const waited = await pay(ORDER, { key, headers: { prefer: 'wait=10' } });
    expect(waited.status).toBe(200);
    expect(waited.headers.get('preference-applied')).toBe('wait=10');
    expect(waited.json()).toMatchObject({ status: 'completed', amount: 1230 });
    const replayed = await pay(ORDER, { key, headers: { prefer: 'wait=10' } });
    expect(replayed.headers.get('idempotency-replayed')).toBe('true');
    expect(replayed.json()).toEqual(waited.json());
  });

  test('D8: a payment that is declined or rejected says why, and moves no money', async () => {
    const before = (await get('/v1/accounts/wal-1234')).json()['balance'];
    const declined = await pay({ ...ORDER, amount: 9_000_000_000_000 });
    expect(declined.status).toBe(202);
    expect(await ended(declined)).toMatchObject({
      status: 'declined',
      failure: { code: 'ledger.insufficient_funds' },
    });
    const rejected = await pay({ ...ORDER, service_id: 'nobody' });
    expect(await ended(rejected)).toMatchObject({
      status: 'rejected',
      failure: { code: 'validation.account_not_found' },
    });
    const { posted, held } = before as { posted: number; held: number };
    expect((await get('/v1/accounts/wal-1234')).json()['balance']).toMatchObject({ posted, held });
    const types = (await timelineOf(rejected.json()['id'] as string, 3)).map(({ type }) => type);
    expect(types).toEqual(['payment.requested', 'payment.rejected', 'notification.queued']);
  });
});

describe('U1, U2: one request, one effect', () => {
  let first: HttpAnswer;
  const key = 'once and for ever';

  test('a repeated request gets the first answer byte for byte, and says that it is one', async () => {
    first = await pay(ORDER, { key });
    const again = await pay(ORDER, { key });
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect([again.status, again.text]).toEqual([first.status, first.text]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test('both routes and both headers are one scope', async () => {
    const again = await http(`${lastro.url}/payments`, { body: ORDER, headers: { 'x-idempotent-key': key } });
    expect([again.text, again.headers.get('idempotency-replayed')]).toEqual([first.text, 'true']);
  });

  test('100 parallel copies have one effect and 100 equal answers', async () => {
    const copies = await Promise.all(
      Array.from({ length: 100 }, () => pay(ORDER, { key: 'a hundred times' })),
    );
    expect(new Set(copies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(copies.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(99);
  });

  test('another body under the key is refused with the fields that differ', async () => {
    const refused = await pay({ ...ORDER, amount: 1, description: 'other' }, { key });
    expect(refused.status).toBe(422);
    expect(refused.json()).toMatchObject({ code: 'payments.idempotency_key_reused', status: 422 });
    expect(pointersOf(refused).toSorted()).toEqual(['/amount', '/description']);
  });

  test('null for what may be absent is as good as absence, and to a key the body that was sent', async () => {
    const nulls = { ...ORDER, reference: null, description: null, metadata: null };
    const answer = await pay(nulls, { key: 'nulls' });
    expect(answer.status).toBe(202);
    expect(answer.json()).toMatchObject(nulls);
    expect((await pay(nulls, { key: 'nulls' })).headers.get('idempotency-replayed')).toBe('true');
    expect((await pay(nulls)).status).toBe(202);
    expect(pointersOf(await pay(ORDER, { key: 'nulls' })).toSorted()).toEqual([
      '/description',
      '/metadata',
      '/reference',
    ]);
  });

  test('P3: a second payment with the reference is refused, naming the first; a declined one frees it', async () => {
    const referenced = { ...ORDER, reference: 'invoice-1' };
    const holder = await pay(referenced);
    const duplicate = await pay({ ...referenced, amount: 5 });
    expect(duplicate.status).toBe(409);
    expect(duplicate.json()).toMatchObject({
      code: 'payments.duplicate_reference',
      payment_id: holder.json()['id'],
    });
    const declined = { ...ORDER, reference: 'invoice-2', amount: 9_000_000_000_000 };
    await ended(await pay(declined));
    expect((await pay({ ...declined, amount: 5 })).status).toBe(202);
  });

  test('answers and refusals are replayed after a restart', async () => {
    const duplicateKey = newKey();
    const duplicate = await pay({ ...ORDER, reference: 'invoice-1' }, { key: duplicateKey });
    lastro.kill('SIGTERM');
    expect(await lastro.ended).toEqual({ code: 0, signal: null });
    lastro = await startLastroProcess(settings);
    for (const [original, again] of [
      [first, await pay(ORDER, { key })],
      [duplicate, await pay({ ...ORDER, reference: 'invoice-1' }, { key: duplicateKey })],
    ] as const) {
      expect([again.status, again.text]).toEqual([original.status, original.text]);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
    }
  });
});

function pointersOf(answer: HttpAnswer): string[] {
  const { errors = [] } = answer.json() as { errors?: { pointer: string }[] };
  return errors.map(({ pointer }) => pointer);
}

describe('what bad input gets', () => {
  const without = (member: string) => JSON.stringify({ ...ORDER, [member]: undefined });
  const asking = (changed: Record<string, unknown>) => JSON.stringify({ ...ORDER, ...changed });

  test.each([
    { what: 'a missing wallet', body: without('wallet_id'), pointer: '/wallet_id' },
    { what: 'an empty service', body: asking({ service_id: '' }), pointer: '/service_id' },
    { what: 'an over-long wallet', body: asking({ wallet_id: 'w'.repeat(65) }), pointer: '/wallet_id' },
    { what: 'an over-long reference', body: asking({ reference: 'r'.repeat(256) }), pointer: '/reference' },
    {
      what: 'an over-long description',
      body: asking({ description: 'd'.repeat(501) }),
      pointer: '/description',
    },
    { what: 'an amount of 0', body: asking({ amount: 0 }), pointer: '/amount' },
    { what: 'a negative amount', body: asking({ amount: -1 }), pointer: '/amount' },
    { what: 'a fractional amount', body: asking({ amount: 12.5 }), pointer: '/amount' },
    { what: 'an amount in a string', body: asking({ amount: '1230' }), pointer: '/amount' },
    {
      what: 'an amount of 2^53',
      body: without('amount').replace('{', '{"amount":9007199254740992,'),
      pointer: '/amount',
    },
    {
      what: 'an amount that would be rounded',
      body: without('amount').replace('{', '{"amount":1230.00000000000000001,'),
      pointer: '/amount',
    },
    { what: 'an unknown method', body: asking({ method: 'cash' }), pointer: '/method' },
    { what: 'an unknown member', body: asking({ colour: 'red' }), pointer: '/colour' },
    { what: 'a NUL', body: asking({ description: 'a\0b' }), pointer: '/description' },
    { what: 'a lone surrogate', body: asking({ reference: '\ud800' }), pointer: '/reference' },
    {
      what: 'a lone surrogate deep in the metadata',
      body: asking({ metadata: { a: ['\udc00'] } }),
      pointer: '/metadata/a/0',
    },
    { what: 'an array', body: '[]', pointer: undefined },
    { what: 'broken JSON', body: '{"wallet_id": ', pointer: undefined },
    { what: 'no body', body: '', pointer: undefined },
  ])('400: $what', async ({ body, pointer }) => {
    const refused = await pay(body);
    expect(refused.status).toBe(400);
    expect(refused.headers.get('content-type')).toMatch('application/problem+json');
    expect(refused.json()['code']).toMatch(/^request\./);
    if (pointer !== undefined) expect(pointersOf(refused)).toContain(pointer);
  });

  test.each([
    { what: 'no key', key: {}, code: 'request.missing_idempotency_key' },
    { what: 'an empty key', key: { 'idempotency-key': '' }, code: 'request.invalid_idempotency_key' },
    {
      what: 'a key of 256 characters',
      key: { 'idempotency-key': 'k'.repeat(256) },
      code: 'request.invalid_idempotency_key',
    },
    {
      what: 'two keys that differ',
      key: { 'idempotency-key': 'a', 'x-idempotent-key': 'b' },
      code: 'request.invalid_idempotency_key',
    },
  ])('400: $what', async ({ key, code }) => {
    const refused = await http(`${lastro.url}/v1/payments`, {
      body: ORDER,
      headers: key,
    });
    expect([refused.status, refused.json()['code']]).toEqual([400, code]);
  });

  test.each([
    {
      what: 'a currency that ISO 4217 does not know',
      change: { currency: 'XYZ' },
      code: 'payments.unknown_currency',
      pointer: '/currency',
    },
    {
      what: 'a currency in small letters',
      change: { currency: 'usd' },
      code: 'payments.unknown_currency',
      pointer: '/currency',
    },
    {
      what: 'a wallet that pays itself',
      change: { service_id: 'wal-1234' },
      code: 'payments.same_account',
      pointer: '/service_id',
    },
  ])('422: $what, and the refusal is replayed', async ({ change, code, pointer }) => {
    const key = newKey();
    const refused = await pay({ ...ORDER, ...change }, { key });
    expect([refused.status, refused.json()['code']]).toEqual([422, code]);
    expect(pointersOf(refused)).toEqual([pointer]);
    const again = await pay({ ...ORDER, ...change }, { key });
    expect([again.text, again.headers.get('idempotency-replayed')]).toEqual([refused.text, 'true']);
  });

  test('422: an entry that does not balance', async () => {
    const postings = [
      { account_id: 'bank-usd', direction: 'debit', amount: 5 },
      { account_id: 'wal-1234', direction: 'credit', amount: 4 },
    ];
    const refused = await http(`${lastro.url}/v1/journal-entries`, {
      body: { postings },
      headers: { 'idempotency-key': newKey() },
    });
    expect([refused.status, refused.json()['code']]).toEqual([422, 'ledger.unbalanced_entry']);
  });

  test.each([
    { what: 'an unknown wallet', change: { wallet_id: 'nobody' }, code: 'validation.account_not_found' },
    { what: 'an unknown service', change: { service_id: 'nobody' }, code: 'validation.account_not_found' },
    {
      what: 'another currency than the account’s',
      change: { currency: 'EUR' },
      code: 'validation.currency_mismatch',
    },
    { what: 'a closed service', change: { service_id: 'closed-shop' }, code: 'validation.account_closed' },
  ])('202, then rejected: $what', async ({ change, code }) => {
    if (change.service_id === 'closed-shop') await openAndClose('closed-shop');
    const answer = await pay({ ...ORDER, ...change });
    expect(answer.status).toBe(202);
    expect(await ended(answer)).toMatchObject({ status: 'rejected', failure: { code } });
  });

  async function openAndClose(id: string): Promise<void> {
    const url = `${lastro.url}/v1/accounts`;
    await http(url, {
      body: { id, kind: 'service', currency: 'USD' },
      headers: { 'idempotency-key': newKey() },
    });
    await http(`${url}/${id}/close`, { method: 'POST', headers: { 'idempotency-key': newKey() } });
  }

  test.each([
    {
      status: 404,
      what: 'a payment that does not exist',
      method: 'GET',
      path: '/v1/payments/pay_01m7xbck58f2kamhpf5zbx50v7',
    },
    { status: 404, what: 'an id that is none', method: 'GET', path: '/v1/payments/1234' },
    { status: 404, what: 'an account that does not exist', method: 'GET', path: '/v1/accounts/nobody' },
    { status: 404, what: 'a route that does not exist', method: 'GET', path: '/v1/nothing' },
    { status: 405, what: 'a method that a route has not', method: 'DELETE', path: '/v1/payments' },
    {
      status: 413,
      what: 'a body over 1 MiB',
      method: 'POST',
      path: '/v1/payments',
      body: `"${'x'.repeat(1024 * 1024)}"`,
    },
    {
      status: 415,
      what: 'a body that is no JSON',
      method: 'POST',
      path: '/v1/payments',
      body: 'a=1',
      type: 'text/plain',
    },
  ])('$status: $what', async ({ status, method, path, body, type }) => {
    const headers = { 'idempotency-key': newKey(), ...(type === undefined ? {} : { 'content-type': type }) };
    const answer = await http(`${lastro.url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
    expect(answer.headers.get('x-correlation-id')).not.toBeNull();
    if (status === 405) expect(answer.headers.get('allow')).toMatch(/GET.*POST/);
  });

  test('one bad request never harms the others that arrive with it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        pay(n % 3 === 0 ? { ...ORDER, currency: 'XYZ' } : n % 3 === 1 ? '{' : { ...ORDER, amount: 1 }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map((_, n) => [422, 400, 202][n % 3]));
  });
});

test('the API document has each path once, whatever its parameters are called', async () => {
  const { paths } = (await get('/openapi.json')).json() as { paths: Record<string, object> };
  const shapes = Object.keys(paths).map((path) => path.replaceAll(/\{[^}]+\}/g, '{}'));
  expect(shapes.filter((shape, index) => shapes.indexOf(shape) !== index)).toEqual([]);
  expect(Object.keys(paths['/v1/integrations/{connector}'] ?? {}).toSorted()).toEqual(['get', 'post']);
});

describe('places in lists', () => {
  /** Each is the key of a place in some list; the first, of none. */
  const KEYS = [['no one’s'], ['wal-1234'], ['7'], ['7', '7'], ['2026-11-20', 'wal-1234'], ['ledger/0/1']];

  test('no list goes on from a place that is not one of its own', async () => {
    const { paths } = (await get('/openapi.json')).json() as {
      paths: Record<string, { get?: { parameters?: readonly { name: string }[] } }>;
    };
    const lists = Object.entries(paths).filter(
      ([path, { get: read }]) =>
        !path.includes('{') && read?.parameters?.some(({ name }) => name === 'cursor') === true,
    );
    expect(lists.length).toBeGreaterThan(8);
    const asked = lists.flatMap(([path]) => KEYS.map((key) => `${path}?cursor=${renderCursor(key)}`));
    for (const path of asked) {
      const answer = await get(path);
      expect([path, answer.status, answer.json()['errors']]).toEqual([
        path,
        400,
        [expect.objectContaining({ pointer: '/query/cursor', code: 'malformed_cursor' })],
      ]);
    }
  });
});

describe('U19: who may see and do what', () => {
  let stranger: string;
  let sandbox: string;
  let answer: HttpAnswer;

  beforeAll(async () => {
    stranger = await runLastro(['keys', 'create', '--tenant', 'stranger'], settings);
    sandbox = await runLastro(['keys', 'create', '--name', 'short-lived'], settings);
    answer = await pay({ ...ORDER, reference: 'private' }, { bearer: sandbox });
  });

  test('another tenant’s payments and accounts do not exist', async () => {
    const id = answer.json()['id'] as string;
    const paths = ['', '/events', '/verdict'].map((part) => `/v1/payments/${id}${part}`);
    const reads = await Promise.all([...paths, '/v1/accounts/wal-1234'].map((path) => get(path, stranger)));
    expect(reads.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect((await get('/v1/payments', stranger)).json()['data']).toEqual([]);
    expect((await get(`/v1/payments/${id}/events`, sandbox)).status).toBe(200);
  });

  test('another tenant’s accounts cannot be paid from, posted to or closed, and keys and references are its own', async () => {
    const write = (path: string, body?: unknown, bearer?: string) =>
      http(`${lastro.url}${path}`, {
        method: 'POST',
        headers: { ...authorization(bearer), 'idempotency-key': newKey() },
        ...(body === undefined ? {} : { body }),
      });
    const move = (from: string, to: string, amount: number) => ({
      postings: [
        { account_id: from, direction: 'debit', amount },
        { account_id: to, direction: 'credit', amount },
      ],
    });
    await write('/v1/accounts', { id: 'vault', kind: 'wallet', currency: 'USD' });
    expect((await write('/v1/journal-entries', move('bank-usd', 'vault', 5000))).status).toBe(201);
    const key = newKey();
    const order = { ...ORDER, wallet_id: 'vault', reference: 'private' };
    await ended(await pay(order, { key, bearer: sandbox }));

    const theft = await pay(order, { bearer: stranger, key });
    expect([theft.status, theft.headers.get('idempotency-replayed')]).toEqual([202, null]);
    expect(await ended(theft, stranger)).toMatchObject({
      status: 'rejected',
      failure: { code: 'validation.account_not_found' },
    });
    const posted = await write('/v1/journal-entries', move('vault', 'bank-usd', 5), stranger);
    expect([posted.status, posted.json()['code']]).toEqual([404, 'ledger.account_not_found']);
    expect((await write('/v1/accounts/vault/close', undefined, stranger)).status).toBe(404);
    expect((await get('/v1/accounts/vault')).json()).toMatchObject({
      status: 'open',
      balance: { posted: 5000 - ORDER.amount, held: 0 },
    });
  });

  test('a revoked key is nobody’s within a second, in the process that runs', async () => {
    expect((await get('/v1/payments', sandbox)).status).toBe(200);
    const [, id] = /^lk_([^_]+)_/.exec(sandbox) ?? [];
    await runLastro(['keys', 'revoke', `key_${id}`], settings);
    await expect
      .poll(async () => (await get('/v1/payments', sandbox)).status, { timeout: 1500, interval: 25 })
      .toBe(401);
    const refused = await pay(ORDER, { bearer: sandbox });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  test('a key that leaked is revoked by what is seen of it, whole or cut off', async () => {
    const leaked = [
      await runLastro(['keys', 'create'], settings),
      await runLastro(['keys', 'create'], settings),
    ];
    const [whole = '', cut = ''] = leaked;
    await runLastro(['keys', 'revoke', whole], settings);
    await runLastro(['keys', 'revoke', cut.slice(0, 29)], settings);
    for (const key of leaked) expect((await get('/v1/payments', key)).status).toBe(401);
  });

  test('a key of another scope may read and not pay', async () => {
    const reader = await runLastro(['keys', 'create', '--scopes', 'payments:read'], settings);
    expect((await get('/v1/payments', reader)).status).toBe(200);
    expect((await pay(ORDER, { bearer: reader })).status).toBe(403);
  });

  test('in production no key is made for a tenant that was not named', async () => {
    const production = { ...settings, MODE: 'production' };
    await expect(runLastro(['keys', 'create'], production)).rejects.toThrow(/with --tenant <id>/);
    expect(await runLastro(['keys', 'create', '--tenant', 'stranger'], production)).toMatch(/^lk_/);
  });
});

test('the metrics are the counted truth', async () => {
  const verdicts = async () => (await asOwner('select from integrity.verdicts', [])).length;
  const judged = () => metric('lastro_sagas_judged_total{verdict="complete"}');
  await expect.poll(() => metric('lastro_consumer_lag_events{group="integrity"}')).toBe(0);
  const [stored, counted] = [await verdicts(), await judged()];
  await Promise.all(Array.from({ length: 20 }, async () => ended(await pay({ ...ORDER, amount: 1 }))));
  await expect.poll(verdicts).toBe(stored + 20);
  await expect.poll(judged).toBe(counted + 20);

  const before = await counts();
  await Promise.all([pay(ORDER), pay({ ...ORDER, currency: 'XYZ' }), pay('{')]);
  const { decided, accepted, refused } = before;
  await expect.poll(counts).toEqual({ decided: decided + 2, accepted: accepted + 1, refused: refused + 2 });
});

async function counts(): Promise<{ decided: number; accepted: number; refused: number }> {
  const answered = 'lastro_http_request_duration_seconds_count{route="/v1/payments",method="POST"';
  return {
    decided: await metric('lastro_batch_events_total{worker="payments.intake"}'),
    accepted: await metric(`${answered},status="2xx"}`),
    refused: await metric(`${answered},status="4xx"}`),
  };
}

/** 0 for what was never counted. */
async function metric(name: string): Promise<number> {
  const { text } = await get('/metrics');
  const line = text.split('\n').find((entry) => entry.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length));
}

test('after all of it the tables are what the logs say', async () => {
  await expect.poll(() => metric('lastro_consumer_lag_events{group="integrity"}')).toBe(0);
  const server = await openEmbeddedPostgres({ dataDir: settings['DATA_DIR'] as string });
  const report = await verify({ url: server.url });
  await server.close();
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
});
