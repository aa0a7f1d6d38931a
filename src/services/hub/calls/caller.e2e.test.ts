/** Who is seen to be there, or away, by what a call asks, over real sockets (U12). */
import type { Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Egress } from '#platform/egress/egress.ts';
import { closeServer, listenOnLoopback, urlOf } from '../../../../tests/loopback-server.ts';
import type { ConnectorDefinition } from '../connector.ts';
import type { Call, CallStep } from './call.ts';
import { Caller, type CallerOptions } from './caller.ts';

let server: Server;
let egress: Egress;
let caller: Caller;
const noted: [string, boolean][] = [];
const failures: unknown[] = [];
const asked: string[] = [];

beforeAll(async () => {
  server = await listenOnLoopback();
  server.on('request', (request, response) => {
    asked.push(request.url ?? '');
    response.statusCode = request.url?.startsWith('/away') === true ? 503 : 200;
    if (request.url?.startsWith('/broken') === true) {
      response.writeHead(200, { 'content-length': 5 }).write('12', () => response.destroy());
      return;
    }
    const { authorization } = request.headers;
    response.end(authorization === undefined ? '{}' : echoOf(authorization, request.url));
  });
  egress = new Egress({ reach: 'anywhere' });
});

afterAll(async () => {
  await egress.close();
  await closeServer(server);
});

beforeEach(() => {
  noted.length = 0;
  failures.length = 0;
  asked.length = 0;
  caller = new Caller(options());
});

function options(): CallerOptions {
  const nobody = async () => Promise.reject(new Error('nobody is asked'));
  return {
    egress,
    secrets: { load: nobody },
    orders: { payment: nobody, card_top_up: nobody, cash_entry: nobody },
    note: (...what) => noted.push(what),
    onError: (error) => void failures.push(error),
  };
}

/** What is shown of an answer ends within the secret. */
function echoOf(authorization: string, url = ''): string {
  return url.startsWith('/away') ? `${'x'.repeat(290)} ${authorization}` : '{"amount":12345}';
}

function definition(): ConnectorDefinition {
  const lookUp = (at: string, cacheMs: number) => ({
    type: 'http' as const,
    key: 'id',
    into: at,
    url: `${urlOf(server)}/${at}/{key}`,
    cache_ms: cacheMs,
  });
  const http = { type: 'http', method: 'POST', url: `${urlOf(server)}/main` } as const;
  return {
    entry: { type: 'api' },
    enrichment: [lookUp('near', 60_000), lookUp('away', 0)],
    destinations: { main: { ...http, undo: { method: 'POST', url: `${urlOf(server)}/away` } } },
  };
}

function call(step: CallStep, keys: readonly (string | null)[] = []): Call {
  return {
    tenant: 'acme',
    uuid: '00000000-0000-7000-8000-000000000000',
    step,
    connector: 'erp',
    connectorVersion: 1,
    destination: step === 'enrichment' ? '' : 'main',
    request: { message: '{}', route: 'main', keys },
    state: 'sending',
    tries: 1,
    isUnknown: false,
    history: [],
    dueAt: 0,
    giveUpAt: 0,
    timeoutMs: 1000,
    cause: 'hub/0/1',
    origin: '00000000-0000-7000-8000-000000000000',
    correlationId: 'cor',
    traceparent: null,
  };
}

test('what no destination has done is tried again, and told', async () => {
  const part = { ...definition(), destinations: { main: { type: 'payment', body: '{}' } as const } };
  expect(await caller.perform(call('delivery'), part)).toMatchObject({ kind: 'transient' });
  expect(failures.map(String)).toEqual(['Error: nobody is asked']);
});

test('U12: each look-up tells of itself, and one that asks nobody tells of nobody', async () => {
  expect(await caller.perform(call('enrichment', ['1', '1']), definition())).toMatchObject({ lookUp: 1 });
  expect(noted.splice(0)).toEqual([
    ['hub/acme/erp//0', true],
    ['hub/acme/erp//1', false],
  ]);
  // The first is remembered, and the second has no key.
  expect(await caller.perform(call('enrichment', ['1', null]), definition())).toMatchObject({
    kind: 'delivered',
  });
  expect(noted).toEqual([]);
});

test('U12: a destination and its undo are seen each for itself', async () => {
  await caller.perform(call('delivery'), definition());
  await caller.perform(call('undo'), definition());
  expect(noted).toEqual([
    ['hub/acme/erp/main', true],
    ['hub/acme/erp/main/undo', false],
  ]);
});

test('H8: a key that would lead out of the path of a look-up is one that nothing is found for', async () => {
  const keys = ['', '.', '..', '\ud800', '../a', '%2e%2e'];
  for (const key of keys) await caller.perform(call('enrichment', [key, null]), definition());
  expect(asked).toEqual(['/near/..%2Fa', '/near/%252e%252e']);
});

test('U13: what a look-up is answered that breaks off is not taken, and it is asked again', async () => {
  const { enrichment: [near] = [], ...others } = definition();
  const asking = { ...others, enrichment: [{ ...near, url: `${urlOf(server)}/broken/{key}` }] };
  const outcome = await caller.perform(call('enrichment', ['1']), asking as ConnectorDefinition);
  expect(outcome).toMatchObject({ kind: 'transient', lookUp: 0, detail: 'Its answer broke off. 12' });
  expect(noted).toEqual([['hub/acme/erp//0', false]]);
});

test('H6: a secret that comes back is not seen, no part of it either, and breaks no document that looks like it', async () => {
  const proven = (name: string) => ({
    authentication: { type: 'header' as const, name: 'authorization', secret: name },
  });
  const { enrichment: [near] = [], destinations } = definition();
  const away = { type: 'http', method: 'POST', url: `${urlOf(server)}/away`, ...proven('long') } as const;
  const asking = {
    ...definition(),
    enrichment: [{ ...near, ...proven('digits') }],
    destinations: { ...destinations, main: away },
  };
  const secrets: Record<string, string> = { digits: '12345', long: 'sesame-open-thyself' };
  const knowing = new Caller({
    ...options(),
    secrets: { load: async (_tenant, name) => secrets[name] ?? '' },
  });
  const found = await knowing.perform(call('enrichment', ['1']), asking as ConnectorDefinition);
  expect(found).toMatchObject({ found: [{ value: '{"amount":12345}' }] });
  const refused = await knowing.perform(call('delivery'), asking as ConnectorDefinition);
  expect(refused.detail).toContain('xxx [secret]');
  expect(refused.detail).not.toContain('sesame');
});
