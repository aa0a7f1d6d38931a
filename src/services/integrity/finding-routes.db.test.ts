/** The API of findings and audits: what people do is recorded, bad input changes nothing, nothing of one tenant shows to another. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HttpApp } from '#platform/http/http-app.ts';
import { isRfc3339 } from '#platform/http/instants.ts';
import { createProductDatabase, type TestDatabase } from '../../../tests/database.ts';
import { type Engine, startEngine } from '../../../tests/engine.ts';
import { IntegrityDesk } from '../../../tests/integrity-desk.ts';
import { dumpTables } from '../../../tests/redelivery.ts';
import { createRouteApp } from '../../../tests/route-app.ts';
import type { Sighting } from './finding.ts';
import {
  AuditDocument,
  FindingDetail,
  FindingPage,
  registerFindingRoutes,
  StandingDocument,
} from './finding-routes.ts';
import { integrityProblems } from './problems.ts';

let database: TestDatabase;
let engine: Engine;
let desk: IntegrityDesk;
let app: HttpApp;

beforeAll(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url);
  desk = await IntegrityDesk.open(database.url);
  app = await createRouteApp({ problems: integrityProblems });
  registerFindingRoutes(app, {
    reads: desk.reads,
    desk: desk.desk,
    audits: desk.audits,
    keyReused: desk.keyReused,
  });
  await app.ready();
});

afterAll(async () => {
  await app.close();
  await desk.close();
  await engine.close();
  await database.drop();
});

interface Asked {
  readonly key?: string;
  readonly tenant?: string;
  readonly scopes?: string;
}

function send(
  method: 'GET' | 'POST',
  url: string,
  body?: unknown,
  { tenant = 'acme', scopes = '*', key }: Asked = {},
) {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return app.inject({
    method,
    url,
    headers: {
      authorization: `Bearer lk_${tenant}_${scopes}`,
      ...type,
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
  });
}

const get = (url: string, asked?: Asked) => send('GET', url, undefined, asked);
const post = (url: string, body: unknown, asked?: Asked) => send('POST', url, body, asked);

const ajv = new Ajv2020({ strictTypes: false, formats: { 'date-time': isRfc3339 } });

let count = 0;

/** A finding of its own for each test; its id. */
async function opened(more: Partial<Sighting> = {}): Promise<string> {
  const subject = `pay_${String(++count).padStart(26, '0')}`;
  const evidence = ['payments/0/1'];
  const about = {
    tenant: 'acme',
    kind: 'wrong_root',
    subject,
    key: 'wallet',
    evidence,
    detail: 'it is wrong',
  };
  await desk.desk.open([{ ...about, source: 'audit', ...more }]);
  const { data } = (await get(`/v1/integrity/findings?subject=${more.subject ?? subject}`)).json<{
    data: { id: string }[];
  }>();
  return data[0]?.id ?? '';
}

describe('a finding', () => {
  test('is read with its evidence and with what was done about it, as the document says', async () => {
    const id = await opened();
    await post(`/v1/integrity/findings/${id}/acknowledge`, { reason: 'seen' });
    const answer = await get(`/v1/integrity/findings/${id}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      id,
      kind: 'wrong_root',
      severity: 'critical',
      state: 'acknowledged',
      reason: 'seen',
      actions: [
        { action: 'opened', actor: 'system' },
        { action: 'parked', actor: 'system' },
        { action: 'acknowledged', actor: 'key_1', detail: 'seen' },
      ],
    });
    expect(ajv.validate(FindingDetail, answer.json())).toBe(true);
  });

  test('is resolved with who and why, once', async () => {
    const id = await opened();
    const answer = await post(`/v1/integrity/findings/${id}/resolve`, { reason: 'restored from the backup' });
    expect(answer.json()).toMatchObject({
      state: 'resolved',
      closed_by: 'key_1',
      reason: 'restored from the backup',
    });
    const again = await post(`/v1/integrity/findings/${id}/resolve`, { reason: 'again' });
    expect(again.statusCode).toBe(409);
    expect(again.json()).toMatchObject({ code: 'integrity.finding_closed', finding_id: id });
    const late = await post(`/v1/integrity/findings/${id}/acknowledge`, { reason: 'again' });
    expect(late.statusCode).toBe(409);
  });

  test.each([
    ['no reason', {}],
    ['an empty reason', { reason: '' }],
    ['a reason of nothing but spaces', { reason: '  ' }],
    ['a reason that shows nothing', { reason: '\u200b' }],
    ['a reason that is no text', { reason: 5 }],
    ['a reason that is too long', { reason: 'x'.repeat(501) }],
    ['a member that is not known', { reason: 'known', state: 'repaired' }],
  ])('with %s is neither acknowledged nor resolved, and nothing is changed', async (_, body) => {
    const id = await opened();
    const before = await dumpTables(database.url);
    const answers = [
      await post(`/v1/integrity/findings/${id}/acknowledge`, body),
      await post(`/v1/integrity/findings/${id}/resolve`, body),
    ];
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([400, 400]);
    expect(await dumpTables(database.url)).toEqual(before);
  });

  test('of another tenant, of the installation, or of nobody is a 404', async () => {
    const foreign = await opened({ tenant: 'other', subject: 'pay_foreign' });
    expect(foreign).toBe('');
    const [theirs] = (await get('/v1/integrity/findings', { tenant: 'other' })).json<{
      data: { id: string }[];
    }>().data;
    for (const id of [theirs?.id ?? '', 'fnd_00000000000000000000000000', 'fnd_x', 'pay_1']) {
      const answers = [
        await get(`/v1/integrity/findings/${id}`),
        await post(`/v1/integrity/findings/${id}/acknowledge`, { reason: 'mine' }),
        await post(`/v1/integrity/findings/${id}/resolve`, { reason: 'mine' }),
      ];
      for (const answer of answers) {
        expect(answer.statusCode).toBe(404);
        expect(answer.json()).toMatchObject({ code: 'integrity.finding_not_found' });
      }
    }
  });
});

describe('U1: under an idempotency key', () => {
  test.each(['acknowledge', 'resolve'])('what it was told to %s by is answered once', async (verb) => {
    const url = `/v1/integrity/findings/${await opened()}/${verb}`;
    const asked = { key: `key of ${verb}` };
    const [first, copy] = await Promise.all([
      post(url, { reason: 'seen' }, asked),
      post(url, { reason: 'seen' }, asked),
    ]);
    const before = await dumpTables(database.url);
    const later = await post(url, { reason: 'seen' }, asked);
    expect([copy, later].map(({ statusCode, body }) => [statusCode, body])).toEqual([
      [200, first.body],
      [200, first.body],
    ]);
    expect(later.headers['idempotency-replayed']).toBe('true');
    const other = await post(url, { reason: 'other' }, asked);
    expect(other.statusCode).toBe(422);
    expect(other.json()).toMatchObject({
      code: 'integrity.idempotency_key_reused',
      errors: [{ pointer: '/reason' }],
    });
    expect((await post(url, { reason: 'seen' }, { ...asked, tenant: 'other' })).statusCode).toBe(404);
    const { 'integrity.idempotency_keys': kept, ...changed } = await dumpTables(database.url);
    expect(before).toMatchObject(changed);
    // Of another tenant.
    expect(kept).toHaveLength((before['integrity.idempotency_keys'] ?? []).length + 1);
  });

  test('a refusal is answered again too, and a malformed key is refused', async () => {
    const url = '/v1/integrity/findings/fnd_x/resolve';
    const answers = [
      await post(url, { reason: 'seen' }, { key: 'unknown' }),
      await post(url, { reason: 'seen' }, { key: 'unknown' }),
    ];
    expect(answers.map(({ statusCode, headers }) => [statusCode, headers['idempotency-replayed']])).toEqual([
      [404, undefined],
      [404, 'true'],
    ]);
    expect((await post(url, { reason: 'seen' }, { key: '"' })).statusCode).toBe(400);
  });
});

describe('the list', () => {
  test('is filtered, newest first, and paged', async () => {
    const ids = [
      await opened({ kind: 'contradiction' }),
      await opened({ kind: 'contradiction' }),
      await opened({ kind: 'contradiction' }),
    ];
    const first = (await get('/v1/integrity/findings?kind=contradiction&severity=warning&limit=2')).json<{
      data: { id: string }[];
      next_cursor: string;
    }>();
    expect(ajv.validate(FindingPage, first)).toBe(true);
    expect(first.data.map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    const rest = await get(`/v1/integrity/findings?kind=contradiction&limit=2&cursor=${first.next_cursor}`);
    expect(rest.json()).toMatchObject({ data: [{ id: ids[0] }], next_cursor: null });
    expect((await get('/v1/integrity/findings?kind=contradiction&state=repaired')).json()).toMatchObject({
      data: [],
    });
  });

  test.each(['severity=grave', 'state=gone', 'limit=0', 'cursor=x', 'colour=red'])(
    'refuses %s',
    async (query) => {
      expect((await get(`/v1/integrity/findings?${query}`)).statusCode).toBe(400);
    },
  );
});

test('the standing says what is open, how old the oldest is, and how far the logs are verified', async () => {
  await opened();
  const answer = await get('/v1/integrity');
  expect(ajv.validate(StandingDocument, answer.json())).toBe(true);
  const { verified_up_to, oldest_unresolved_age_ms } = answer.json<{
    verified_up_to: { topic: string; partitions: unknown[] }[];
    oldest_unresolved_age_ms: number;
  }>();
  expect(verified_up_to.map(({ topic }) => topic)).toContain('payments');
  expect(oldest_unresolved_age_ms).toBeGreaterThanOrEqual(0);
});

describe('an audit', () => {
  test('is asked for once at a time, and read by who asked for it', async () => {
    const asked = await post('/v1/integrity/audits', { scope: 'log' }, { key: 'audit' });
    expect(asked.statusCode).toBe(202);
    expect(ajv.validate(AuditDocument, asked.json())).toBe(true);
    const { id } = asked.json<{ id: string }>();
    const copy = await post('/v1/integrity/audits', { scope: 'log' }, { key: 'audit' });
    expect([copy.statusCode, copy.body, copy.headers['idempotency-replayed']]).toEqual([
      202,
      asked.body,
      'true',
    ]);
    for (const tenant of ['acme', 'other']) {
      const second = await post('/v1/integrity/audits', {}, { tenant });
      expect(second.statusCode).toBe(409);
      expect(second.json()).toMatchObject({ code: 'integrity.audit_running' });
    }
    await desk.runner.run();
    expect((await get(`/v1/integrity/audits/${id}`)).json()).toMatchObject({
      state: 'completed',
      scope: 'log',
    });
    expect((await get(`/v1/integrity/audits/${id}`, { tenant: 'other' })).statusCode).toBe(404);
    expect((await get('/v1/integrity/audits/adt_x')).json()).toMatchObject({
      code: 'integrity.audit_not_found',
    });
  });

  test('without a body is one of everything', async () => {
    const asked = await post('/v1/integrity/audits', undefined);
    expect([asked.statusCode, asked.json()]).toMatchObject([202, { scope: 'everything' }]);
    await desk.runner.run();
  });

  test.each([{ scope: 'all' }, { scope: 1 }, { pace: 'fast' }])('refuses %j', async (body) => {
    expect((await post('/v1/integrity/audits', body)).statusCode).toBe(400);
  });
});

test.each([
  ['GET', '/v1/integrity', 'integrity:write'],
  ['GET', '/v1/integrity/findings', 'payments:read'],
  ['POST', '/v1/integrity/audits', 'integrity:read'],
  ['POST', '/v1/integrity/findings/fnd_00000000000000000000000000/resolve', 'integrity:read'],
] as const)('%s %s is not allowed by %s', async (method, url, scopes) => {
  const answer = await send(method, url, method === 'POST' ? {} : undefined, { scopes });
  expect(answer.statusCode).toBe(403);
});
