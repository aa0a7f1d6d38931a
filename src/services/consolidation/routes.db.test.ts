/** Reports over HTTP: figures, CSV, versions, what bad input gets, and that nobody is told what is old as new. */
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttpApp, type HttpApp } from '#platform/http/http-app.ts';
import { mergeProblems } from '#platform/http/problems.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { createLogger } from '#platform/telemetry/logger.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { ledgerProblems } from '#services/ledger/contract.ts';
import { createProductDatabase, type TestDatabase } from '../../../tests/database.ts';
import { type Engine, startEngine } from '../../../tests/engine.ts';
import { consolidationProblems } from './problems.ts';
import { DayReads } from './reads.ts';
import { ReportCache } from './report-cache.ts';
import { Reports } from './reports.ts';
import { registerDayRoutes } from './routes.ts';

let database: TestDatabase;
let engine: Engine;
let pool: ReadPool;
let sessions: readonly [Session, Session];
let app: HttpApp;
let lagEvents = 0;
const cache = new ReportCache();

beforeAll(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url);
  await engine.openAccounts([
    { id: 'book', kind: 'cashbook', time_zone: 'UTC' },
    { id: 'other', kind: 'cashbook', time_zone: 'UTC' },
    { id: 'euros', kind: 'cashbook', currency: 'EUR' },
    { id: 'of-USD-rent', kind: 'external', time_zone: 'UTC' },
  ]);
  for (const [day, amountMinor] of [
    ['2026-02-03', 10n],
    ['2026-02-01', 7n],
  ] as const) {
    await engine.transfer({ from: 'other', to: 'book', amountMinor }, { effective_on: day });
    await engine.settled(['consolidation']);
  }
  pool = new ReadPool({ url: database.url, onError: () => undefined });
  app = await createHttpApp({
    settings: { bodyLimitBytes: 1024 * 1024, rateLimitPerSecond: 0 },
    problems: mergeProblems(consolidationProblems, ledgerProblems),
    logger: createLogger({
      level: 'fatal',
      to: new Writable({ write: (_chunk, _encoding, done) => done() }),
    }),
    metrics: createMetrics({ defaults: false }),
    clock: { now: () => Date.now() },
    verifyKey: (key) => {
      const [, tenant = ''] = key.split('_');
      return { tenant, keyId: 'key_1', scopes: new Set(['accounts:read']) };
    },
    sandboxTenant: undefined,
    readiness: [],
    version: '1.2.3',
  });
  sessions = [
    new Session({ url: database.url, name: 'looks' }),
    new Session({ url: database.url, name: 'days' }),
  ];
  const [looks, days] = sessions;
  const reads = new DayReads({ looks, days, reader: pool });
  registerDayRoutes(app, {
    reads,
    reports: new Reports(reads, cache),
    lag: () => lagEvents,
    accountOfCategory: (currency, category) => `of-${currency}-${category}`,
  });
  await app.ready();
});

afterAll(async () => {
  await app.close();
  await Promise.all([pool, ...sessions].map((each) => each.close()));
  await engine.close();
  await database.drop();
});

interface DayDocument {
  readonly as_of: string | null;
  readonly hash?: string;
  readonly cause?: string;
}

/** What the documents of these routes and refusals have, as far as a test looks into them. */
interface Document {
  readonly data: readonly DayDocument[];
  readonly next_cursor?: string | null;
  readonly code?: string;
}

function documentOf(answer: { readonly body: string }): Document {
  return JSON.parse(answer.body) as Document;
}

function get(url: string, headers: Record<string, string> = {}, tenant = 'acme') {
  return app.inject({ url, headers: { authorization: `Bearer lk_${tenant}_s`, ...headers } });
}

const BOOK = '/v1/accounts/book/daily-balances?from=2026-01-31&to=2026-02-04';

test('F1, F7: the days of a range, ascending, with the lag; one without movement carries the balance', async () => {
  lagEvents = 3;
  const answer = await get(BOOK);
  expect(answer.statusCode).toBe(200);
  const { data, ...head } = documentOf(answer);
  expect(head).toEqual({ account_id: 'book', currency: 'USD', time_zone: 'UTC', lag_events: 3 });
  expect(data.map((day) => ({ ...day, as_of: undefined }))).toEqual([
    {
      date: '2026-01-31',
      opening: 0,
      credits: 0,
      debits: 0,
      count: 0,
      closing: 0,
      version: 0,
      sealed: false,
    },
    {
      date: '2026-02-01',
      opening: 0,
      credits: 7,
      debits: 0,
      count: 1,
      closing: 7,
      version: 1,
      sealed: false,
    },
    {
      date: '2026-02-02',
      opening: 7,
      credits: 0,
      debits: 0,
      count: 0,
      closing: 7,
      version: 0,
      sealed: false,
    },
    {
      date: '2026-02-03',
      opening: 7,
      credits: 10,
      debits: 0,
      count: 1,
      closing: 17,
      version: 2,
      sealed: false,
    },
    {
      date: '2026-02-04',
      opening: 17,
      credits: 0,
      debits: 0,
      count: 0,
      closing: 17,
      version: 0,
      sealed: false,
    },
  ]);
  // F6: nothing had been posted since it was opened.
  expect(String(data[0]?.as_of) < String(data[1]?.as_of)).toBe(true);
  expect(data[2]?.as_of).toBe(data[1]?.as_of);
  const [day] = documentOf(await get('/v1/accounts/book/daily-balances?from=2026-02-03')).data;
  expect(day).toEqual(data[3]);
});

test('F7: CSV has the same columns under a header row', async () => {
  const answer = await get('/v1/accounts/book/daily-balances?from=2026-02-02&to=2026-02-03', {
    accept: 'text/csv',
  });
  expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8; header=present');
  const [header, ...lines] = answer.body.trimEnd().split('\r\n');
  expect(header).toBe('date,opening,credits,debits,count,closing,version,sealed,as_of');
  expect(lines.map((line) => line.split(',').slice(0, 8).join())).toEqual([
    '2026-02-02,7,0,0,0,7,0,false',
    '2026-02-03,7,10,0,1,17,2,false',
  ]);
});

test('F7: the API document tells of CSV, of what is known already, and of the headers', async () => {
  const { paths } = (await app.inject('/openapi.json')).json<ApiDocument>();
  for (const path of ['/v1/accounts/{id}/daily-balances', '/v1/daily-balances']) {
    const { parameters, responses } = paths[path]?.get ?? { parameters: [], responses: {} };
    expect(Object.keys(responses['200']?.content ?? {})).toEqual(['application/json', 'text/csv']);
    expect(parameters.map(({ name }) => name)).toContain('If-None-Match');
    for (const status of ['200', '304'])
      expect(Object.keys(responses[status]?.headers ?? {})).toEqual(
        expect.arrayContaining(['ETag', 'Lag-Events']),
      );
    expect(responses['304']?.content).toBeUndefined();
  }
});

interface ApiDocument {
  readonly paths: Readonly<
    Record<
      string,
      {
        readonly get: {
          readonly parameters: readonly { readonly name: string }[];
          readonly responses: Readonly<
            Record<string, { readonly content?: object; readonly headers: object }>
          >;
        };
      }
    >
  >;
}

test('F6: versions that were replaced are read, newest first, page by page', async () => {
  const url = '/v1/accounts/book/daily-balances/2026-02-03/versions';
  const { data, next_cursor: next } = documentOf(await get(`${url}?limit=1`));
  expect(data).toMatchObject([{ version: 2, opening: 7, closing: 17, sealed: false, sealed_at: null }]);
  expect(data[0]?.cause).toMatch(/^ledger\/\d+\/\d+$/);
  const last = documentOf(await get(`${url}?limit=1&cursor=${next}`));
  expect(last).toMatchObject({ data: [{ version: 1, opening: 0, closing: 10 }], next_cursor: null });
  expect(last.data[0]?.hash).toBe(data[0]?.hash);
  expect(documentOf(await get('/v1/accounts/book/daily-balances/2026-02-02/versions')).data).toEqual([]);
});

test('F1: several accounts are added up; all of a kind too', async () => {
  const named = await get('/v1/daily-balances?account_id=book&account_id=other&from=2026-02-03');
  expect(named.json()).toMatchObject({
    account_ids: ['book', 'other'],
    currency: 'USD',
    data: [{ opening: 0, credits: 10, debits: 10, count: 2, closing: 0, version: 4 }],
  });
  const kind = await get('/v1/daily-balances?kind=cashbook&currency=USD&from=2026-02-03');
  expect(documentOf(kind).data).toEqual(documentOf(named).data);
  const none = await get('/v1/daily-balances?kind=wallet&currency=USD&from=2026-02-03');
  expect(none.json()).toMatchObject({ account_ids: [], currency: null, data: [{ closing: 0 }] });
});

test('F7: a category of cash entries has the days of its account', async () => {
  const rent = await get('/v1/daily-balances?category=rent&currency=USD&from=2026-02-03');
  expect(rent.json()).toMatchObject({
    account_ids: ['of-USD-rent'],
    currency: 'USD',
    data: [{ closing: 0 }],
  });
  const unused = await get('/v1/daily-balances?category=food&currency=USD&from=2026-02-03');
  expect([unused.statusCode, documentOf(unused).code]).toEqual([404, 'ledger.account_not_found']);
});

test('F3: what a caller has is not sent again, until it changes; nothing old is given as new', async () => {
  const first = await get(BOOK);
  const etag = String(first.headers['etag']);
  const again = await get(BOOK, { 'if-none-match': etag });
  expect([again.statusCode, again.body, again.headers['etag']]).toEqual([304, '', etag]);
  expect((await get(BOOK, { 'if-none-match': etag, accept: 'text/csv' })).statusCode).toBe(200);
  const kept = cache.size;
  // Another process counts it, as far as this cache is concerned.
  await engine.transfer({ from: 'other', to: 'book', amountMinor: 5n }, { effective_on: '2026-02-04' });
  await engine.settled(['consolidation']);
  expect(cache.size).toBe(kept);
  const changed = await get(BOOK, { 'if-none-match': etag });
  expect(changed.statusCode).toBe(200);
  expect(documentOf(changed).data.at(-1)).toMatchObject({ date: '2026-02-04', closing: 22, version: 1 });
});

describe('bad input', () => {
  test.each([
    ['/v1/accounts/book/daily-balances?from=2026-02-03&to=2026-02-02', 422, 'consolidation.range_reversed'],
    ['/v1/accounts/book/daily-balances?from=2021-02-03&to=2026-02-04', 422, 'consolidation.range_too_long'],
    ['/v1/accounts/nobody/daily-balances?from=2026-02-03', 404, 'ledger.account_not_found'],
    ['/v1/accounts/book/daily-balances?from=2026-02-30', 400, 'request.invalid_parameter'],
    ['/v1/accounts/book/daily-balances?to=2026-02-03', 400, 'request.invalid_parameter'],
    ['/v1/accounts/book/daily-balances?from=2026-02-03&until=2026-02-03', 400, 'request.invalid_parameter'],
    ['/v1/accounts/nobody/daily-balances/2026-02-03/versions', 404, 'ledger.account_not_found'],
    ['/v1/accounts/book/daily-balances/yesterday/versions', 400, 'request.invalid_parameter'],
    ['/v1/accounts/book/daily-balances/2026-02-03/versions?cursor=x', 400, 'request.invalid_parameter'],
    ['/v1/daily-balances?from=2026-02-03', 400, 'request.invalid_parameter'],
    ['/v1/daily-balances?from=2026-02-03&kind=cashbook', 400, 'request.invalid_parameter'],
    ['/v1/daily-balances?from=2026-02-03&category=rent', 400, 'request.invalid_parameter'],
    [
      '/v1/daily-balances?from=2026-02-03&category=rent&kind=wallet&currency=USD',
      400,
      'request.invalid_parameter',
    ],
    [
      '/v1/daily-balances?from=2026-02-03&account_id=book&account_id=euros',
      422,
      'consolidation.currencies_differ',
    ],
    ['/v1/daily-balances?from=2026-02-03&account_id=book&account_id=nobody', 404, 'ledger.account_not_found'],
  ])('%s is %i %s', async (url, status, code) => {
    const answer = await get(url);
    expect([answer.statusCode, documentOf(answer).code]).toEqual([status, code]);
  });

  test('five years to the day are answered', async () => {
    const answer = await get('/v1/accounts/book/daily-balances?from=2021-02-04&to=2026-02-04');
    expect(documentOf(answer).data).toHaveLength(1827);
  });

  test.each([
    ['0001-01-01', '0001-01-02', 2],
    ['9994-12-31', '9999-12-31', 1827],
    ['9999-12-31', '9999-12-31', 1],
  ])('the days from %s to %s, at the ends of what can be written, are %i', async (from, to, days) => {
    const answer = await get(`/v1/accounts/book/daily-balances?from=${from}&to=${to}`);
    expect(documentOf(answer).data).toHaveLength(days);
  });

  test('an account of another tenant is not there', async () => {
    expect((await get(BOOK, {}, 'other')).statusCode).toBe(404);
  });

  test('more accounts of a kind than a report takes are refused', async () => {
    await engine.openAccounts(
      Array.from({ length: 101 }, (_, index) => ({ id: `many-${index}`, kind: 'service', currency: 'JPY' })),
    );
    await engine.settled(['consolidation']);
    const answer = await get('/v1/daily-balances?from=2026-02-03&kind=service&currency=JPY');
    expect([answer.statusCode, documentOf(answer).code]).toEqual([422, 'consolidation.too_many_accounts']);
  });
});

test('an account that was opened just now has days before anything is counted of it', async () => {
  engine.pause('consolidation');
  await engine.openAccounts([{ id: 'fresh', kind: 'wallet' }]);
  const fresh = '/v1/accounts/fresh/daily-balances?from=2026-02-03';
  const answer = await get(fresh);
  expect(answer.json()).toMatchObject({
    account_id: 'fresh',
    time_zone: 'America/Sao_Paulo',
    data: [{ closing: 0, as_of: expect.stringMatching(/^20.*Z$/) as string }],
  });
  const both = await get('/v1/daily-balances?account_id=book&account_id=fresh&from=2026-02-03');
  expect(documentOf(both).data).toMatchObject([{ closing: 17, as_of: documentOf(answer).data[0]?.as_of }]);
  engine.resume('consolidation');
  await engine.settled(['consolidation']);
  expect((await get(fresh)).json()).toEqual(answer.json());
});
