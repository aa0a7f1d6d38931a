import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { NoTurn, readingTenant } from '#platform/postgres/read-turns.ts';
import {
  type EdgeFixture,
  FAILING_KEY,
  givenEdge,
  KEY,
  NOW,
  READER_KEY,
  SLOW_KEY,
  THING,
} from './edge-fixture.ts';
import { edgeProblems } from './problems.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH' | 'HEAD' | 'OPTIONS';

interface Call {
  readonly method?: Method;
  readonly url?: string;
  readonly headers?: Record<string, string>;
  readonly payload?: string | Buffer;
  readonly remoteAddress?: string;
}

let edge: EdgeFixture;
let limited: EdgeFixture;

beforeAll(async () => {
  edge = await givenEdge();
  limited = await givenEdge({ rateLimitPerSecond: 2 });
});

afterAll(async () => {
  await edge.app.close();
  await limited.app.close();
});

const JSON_POST = { 'content-type': 'application/json', 'idempotency-key': 'k1' };

function call(request: Call, fixture = edge) {
  return fixture.app.inject({ method: 'GET', url: '/v1/things/1', ...request });
}

function post(body: unknown, headers: Record<string, string> = {}) {
  const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return call({ method: 'POST', url: '/v1/things', headers: { ...JSON_POST, ...headers }, payload });
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

test('an answer in parts is one answer, with the headers of every other, measured and logged', async () => {
  const fixture = await givenEdge();
  fixture.release();
  const [whole, head] = await Promise.all(
    (['GET', 'HEAD'] as const).map((method) => call({ method, url: '/v1/waiting/parts' }, fixture)),
  );
  expect([whole?.statusCode, whole?.body]).toEqual([200, '{"waited":true}']);
  const plain = await call({ url: '/v1/waiting' }, fixture);
  expect(Object.keys(whole?.headers ?? {}).toSorted()).toEqual(Object.keys(plain.headers).toSorted());
  expect([head?.statusCode, head?.body, head?.headers['content-length']]).toEqual([200, '', '15']);
  const correlation_id = whole?.headers['x-correlation-id'];
  expect(fixture.log).toContainEqual(
    expect.objectContaining({ route: '/v1/waiting/parts', status: 200, correlation_id }),
  );
  await fixture.app.close();
});

describe('reads take turns by tenant', () => {
  test.each([KEY, SLOW_KEY])('what reads for a caller knows whose turn it is', async (key) => {
    const fixture = await givenEdge();
    const tenant = () => ({ tenant: readingTenant.getStore() ?? null });
    fixture.app.get('/v1/reads', { config: { scope: 'things:read' } }, async () => tenant());
    fixture.app.post(
      '/v1/promises',
      { config: { scope: 'things:write', idempotencyKey: 'required' } },
      async () => tenant(),
    );
    const read = await call({ url: '/v1/reads', headers: bearer(key) }, fixture);
    expect(read.json()).toEqual({ tenant: 'acme' });
    const promised = await call({ method: 'POST', url: '/v1/promises', headers: bearer(key) }, fixture);
    expect(promised.json()).toEqual({ tenant: null });
    expect(readingTenant.getStore()).toBeUndefined();
    await fixture.app.close();
  });

  test('one that has no turn is answered 503, without a line of its own in the log', async () => {
    const fixture = await givenEdge();
    fixture.app.get('/v1/crowded', { config: { scope: 'things:read' } }, () => {
      throw new NoTurn('the read had no turn', { transient: true });
    });
    const answer = await call({ url: '/v1/crowded' }, fixture);
    expect(answer.json()).toMatchObject({ status: 503, code: 'service.overloaded' });
    expect(answer.headers['retry-after']).toBe('1');
    expect(fixture.log.map(({ msg }) => msg)).toEqual(['answered']);
    await fixture.app.close();
  });
});

/** What makes each of the edge's problems. The two that need a socket stand in http-server.e2e.test.ts. */
const SCENARIOS: Readonly<Record<string, () => ReturnType<typeof call>>> = {
  'request.invalid': () => post({ ...THING, amount: 0 }),
  'request.invalid_parameter': () => call({ url: '/v1/things?limit=0' }),
  'request.malformed_json': () => post('{"wallet_id":'),
  'request.malformed': () => call({ url: '/v1/things/%ff' }),
  'request.missing_idempotency_key': () =>
    post(THING, { 'idempotency-key': '' }).then(() =>
      call({
        method: 'POST',
        url: '/v1/things',
        headers: { 'content-type': 'application/json' },
        payload: JSON.stringify(THING),
      }),
    ),
  'request.invalid_idempotency_key': () => post(THING, { 'idempotency-key': 'k'.repeat(256) }),
  'access.unauthenticated': () => call({ headers: bearer('lk_wrong') }),
  'access.forbidden': () => post(THING, bearer(READER_KEY)),
  'request.not_found': () => call({ url: '/v1/nothing' }),
  'request.method_not_allowed': () => call({ method: 'PUT', url: '/v1/things' }),
  'request.too_large': () => post(JSON.stringify({ ...THING, wallet_id: 'x'.repeat(1024 * 1024) })),
  'request.unsupported_media_type': () =>
    post('a=1', { 'content-type': 'application/x-www-form-urlencoded' }),
  'request.rate_limited': async () => {
    await call({}, limited);
    await call({}, limited);
    return call({}, limited);
  },
  'internal.fault': () => call({ url: '/v1/faults/permanent' }),
  'service.overloaded': () => call({ url: '/v1/faults/overloaded' }),
  'service.unavailable': () => call({ url: '/v1/faults/transient' }),
};
const BY_SOCKET = ['request.timeout', 'request.headers_too_large'];

describe('every problem of the edge', () => {
  test('has a scenario', () => {
    expect([...Object.keys(SCENARIOS), ...BY_SOCKET].toSorted()).toEqual(
      Object.keys(edgeProblems).toSorted(),
    );
  });

  test.each(Object.entries(SCENARIOS))('%s is answered as RFC 9457 has it', async (code, scenario) => {
    const answer = await scenario();
    const definition = Object.entries(edgeProblems).find(([name]) => name === code)?.[1];
    expect(answer.statusCode).toBe(definition?.status);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.json()).toMatchObject({
      type: `/problems/${code}`,
      title: definition?.title,
      status: definition?.status,
      code,
    });
    expect(answer.headers['x-correlation-id']).toMatch(/^cor_/);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  test('has a page that its type leads to', async () => {
    for (const code of Object.keys(edgeProblems)) {
      const page = await call({ url: `/problems/${code}` });
      expect(page.statusCode).toBe(200);
      expect(page.body).toContain(code);
    }
    expect((await call({ url: '/problems/toString' })).statusCode).toBe(404);
  });
});

describe('a refusal tells what to do', () => {
  test('401 challenges, and names an error only to who tried (RFC 6750 §3.1)', async () => {
    const tried = await call({ headers: bearer('lk_wrong') });
    expect(tried.headers['www-authenticate']).toBe('Bearer realm="lastro", error="invalid_token"');
    const silent = await call({ headers: { host: 'example.com' } });
    expect(silent.headers['www-authenticate']).toBe('Bearer realm="lastro"');
  });

  test('403 names the scope', async () => {
    const answer = await post(THING, bearer(READER_KEY));
    expect(answer.headers['www-authenticate']).toContain('scope="things:write"');
    expect(answer.json()).toMatchObject({ scope: 'things:write' });
  });

  test('405 lists the methods', async () => {
    const answer = await call({ method: 'DELETE', url: '/v1/things?limit=1' });
    expect(answer.headers['allow']).toBe('GET, HEAD, POST');
    expect((await call({ method: 'POST', url: '/v1/things/abc' })).headers['allow']).toBe('GET, HEAD');
  });

  test.each([
    ['broken JSON', JSON_POST, '{"broken'],
    ['JSON of another charset', { 'content-type': 'application/json; charset=utf-16' }, '{}'],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=1'],
    ['more than is accepted', JSON_POST, JSON.stringify('x'.repeat(1024 * 1024))],
  ])('404 and 405 come before what is wrong with the body: %s', async (_what, headers, payload) => {
    const send = (url: string, method: Method) => call({ method, url, headers, payload });
    expect((await send('/v1/nothing', 'POST')).json()).toMatchObject({ code: 'request.not_found' });
    const wrongMethod = await send('/v1/things', 'PUT');
    expect(wrongMethod.json()).toMatchObject({ code: 'request.method_not_allowed' });
    expect(wrongMethod.headers['allow']).toBe('GET, HEAD, POST');
  });

  test('a file that the documentation does not have is a 404, not a wrong method', async () => {
    expect((await call({ url: '/docs/static/none.png' })).json()).toMatchObject({
      code: 'request.not_found',
    });
  });

  test('429 and 503 say when to come again', async () => {
    const overloaded = await call({ url: '/v1/faults/overloaded' });
    expect(overloaded.headers['retry-after']).toBe('7');
    expect((await call({ url: '/v1/faults/transient' })).headers['retry-after']).toBe('1');
  });

  test('a queue that takes no more is no fault of ours, whichever route meets it', async () => {
    const answer = await call({ url: '/v1/faults/queue_full' });
    expect(answer.json()).toMatchObject({ status: 503, code: 'service.overloaded' });
    expect(answer.headers['retry-after']).toBe('2');
  });

  test('400 points at every fault of the body, not only the first', async () => {
    const answer = await post({
      wallet_id: '',
      amount: '5',
      curency: 'USD',
      method: 'cash',
      reference: 5,
      postings: [{ amount: 1 }, { amount: 1.5 }],
      metadata: { a: 1, 'b/c~d': 'x'.repeat(501), ['n'.repeat(65)]: 'x' },
    });
    expect(answer.statusCode).toBe(400);
    expect(
      answer
        .json<{ errors: { pointer: string; code: string }[] }>()
        .errors.map(({ pointer, code }) => `${pointer} ${code}`)
        .toSorted(),
    ).toEqual([
      '/amount wrong_type',
      '/curency unknown_member',
      '/currency required',
      '/metadata/a wrong_type',
      '/metadata/b~1c~0d too_long',
      `/metadata/${'n'.repeat(65)} invalid_name`,
      '/method not_allowed',
      '/postings/1/amount wrong_type',
      '/reference wrong_type',
      '/wallet_id too_short',
    ]);
  });

  test('of thousands of faults it tells a hundred, and of a huge body the first', async () => {
    const many = await post({ ...THING, postings: Array.from({ length: 600 }, () => ({ amount: 0 })) });
    expect(many.json<{ errors: unknown[] }>().errors).toHaveLength(100);
    const huge = await post({ ...THING, postings: Array.from({ length: 20_000 }, () => ({ amount: 0 })) });
    expect(huge.json<{ errors: unknown[] }>().errors).toHaveLength(1);
  });
});

describe('amounts are exact integers', () => {
  const withAmount = (literal: string) => post(`{"wallet_id":"wal-1","amount":${literal},"currency":"USD"}`);

  test.each([
    ['1', 1],
    ['1.0', 1],
    ['1e2', 100],
    ['9007199254740991', 9007199254740991],
    ['9007199254740991.0', 9007199254740991],
    ['900719925474099100e-2', 9007199254740991],
  ])('%s is accepted', async (literal, amount) => {
    const answer = await withAmount(literal);
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ body: { amount } });
  });

  test.each([
    '0',
    '-1',
    '-0',
    '1.5',
    '9007199254740992',
    '9007199254740993',
    '9007199254740991.4',
    '1.00000000000000000001',
    '0.99999999999999999999',
    '1e400',
    '-1e400',
    '1e-400',
    '99999999999999999999999999',
    '"1"',
    'null',
    'true',
    '[1]',
    '{}',
  ])('%s is refused at /amount', async (literal) => {
    const answer = await withAmount(literal);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'request.invalid', errors: [{ pointer: '/amount' }] });
  });

  test.each(['01', '.5', '1.', '+1', 'NaN', 'Infinity', '0x10', '1_000', ''])(
    '%s is not JSON',
    async (literal) => {
      expect((await withAmount(literal)).json()).toMatchObject({ code: 'request.malformed_json' });
    },
  );
});

describe('a body is JSON in UTF-8', () => {
  test.each([
    ['application/json', 202],
    ['application/json; charset=utf-8', 202],
    ['Application/JSON;charset="UTF-8"', 202],
    ['application/json; charset=iso-8859-1', 415],
    ['application/json; charset=utf-16', 415],
    ['text/plain', 415],
    ['text/json', 415],
    ['application/problem+json', 415],
    ['multipart/form-data', 415],
    ['nonsense', 415],
  ])('Content-Type: %s → %i', async (contentType, status) => {
    expect((await post(THING, { 'content-type': contentType })).statusCode).toBe(status);
  });

  test('a body without Content-Type, and one with a Content-Encoding, are 415', async () => {
    const bare = await call({
      method: 'POST',
      url: '/v1/things',
      headers: { 'idempotency-key': 'k' },
      payload: 'x',
    });
    expect(bare.json()).toMatchObject({ code: 'request.unsupported_media_type' });
    expect((await post(THING, { 'content-encoding': 'gzip' })).statusCode).toBe(415);
  });

  test('bytes that are not UTF-8 are refused, not replaced', async () => {
    const body = Buffer.concat([Buffer.from('{"wallet_id":"a'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect((await post(body)).json()).toMatchObject({ code: 'request.malformed_json' });
  });

  test('no body is a body without its members', async () => {
    const answer = await call({ method: 'POST', url: '/v1/things', headers: JSON_POST });
    expect(answer.json()).toMatchObject({
      code: 'request.invalid',
      errors: [{ pointer: '', code: 'wrong_type' }],
    });
  });
});

describe('what cannot be stored is refused where it comes in (DESIGN R6)', () => {
  test.each(['"a\\u0000b"', '"\\ud800"', '"\\udc00x"', '"\\uD83D \\uDE00"'])(
    '%s in a body',
    async (literal) => {
      const answer = await post(`{"wallet_id":${literal},"amount":1,"currency":"USD"}`);
      expect(answer.json()).toMatchObject({
        code: 'request.invalid',
        errors: [{ pointer: '/wallet_id', code: 'unstorable_text' }],
      });
    },
  );

  test('an escaped surrogate pair is one character and is accepted', async () => {
    const answer = await post('{"wallet_id":"\\ud83d\\ude00","amount":1,"currency":"USD"}');
    expect(answer.json()).toMatchObject({ body: { wallet_id: '😀' } });
  });

  test('in the name of a member', async () => {
    const answer = await post('{"wallet_id":"a","amount":1,"currency":"USD","metadata":{"\\ud800":"x"}}');
    expect(answer.json()).toMatchObject({ errors: [{ pointer: '/metadata', code: 'unstorable_text' }] });
  });

  test('in the path and in the query', async () => {
    expect((await call({ url: '/v1/things/a%00b' })).json()).toMatchObject({
      code: 'request.invalid_parameter',
      errors: [{ pointer: '/path/id' }],
    });
    expect((await call({ url: '/v1/things?cursor=%00' })).json()).toMatchObject({
      errors: [{ pointer: '/query/cursor' }],
    });
    expect((await call({ url: '/v1/things/%ed%a0%80' })).statusCode).toBe(400);
  });
});

describe('names in a body', () => {
  test('one that stands twice is refused, wherever it is', async () => {
    const top = await post('{"wallet_id":"a","amount":1,"currency":"USD","amount":1000}');
    expect(top.json()).toMatchObject({ errors: [{ pointer: '/amount', code: 'repeated_name' }] });
    const deep = await post(
      '{"wallet_id":"a, {\\"x\\": [","amount":1,"currency":"USD","postings":[{"amount":1},{"amount":1,"am\\u006funt":2}]}',
    );
    expect(deep.json()).toMatchObject({ errors: [{ pointer: '/postings/1/amount', code: 'repeated_name' }] });
  });

  test.each(['__proto__', '\\u005f_proto__', 'constructor', '\\"', '\\\\', '\\n', '\\u0000'])(
    '%s is refused, and pollutes nothing',
    async (name) => {
      const answer = await post(
        `{"wallet_id":"a","amount":1,"currency":"USD","metadata":{"${name}":{"polluted":"yes"}}}`,
      );
      expect(answer.statusCode).toBe(400);
      expect(answer.json()).toMatchObject({ errors: [{ code: 'forbidden_name' }] });
      expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
    },
  );

  test('nesting is bounded', async () => {
    const answer = await post('['.repeat(100_000));
    expect(answer.json()).toMatchObject({ code: 'request.malformed_json' });
    expect((await post(`${'['.repeat(33)}${']'.repeat(33)}`)).json()).toMatchObject({
      code: 'request.malformed_json',
    });
    expect((await post(`${'['.repeat(32)}${']'.repeat(32)}`)).json()).toMatchObject({
      code: 'request.invalid',
    });
  });
});

describe('queries', () => {
  test.each(['0', '501', '-1', '1.0', '01', '1e2', 'x', '', '0x10', '%31%30%30%30', '5&limit=6'])(
    'limit=%s is refused',
    async (limit) => {
      expect((await call({ url: `/v1/things?limit=${limit}` })).json()).toMatchObject({
        code: 'request.invalid_parameter',
        errors: [{ pointer: '/query/limit' }],
      });
    },
  );

  test('a parameter that the operation does not know is refused', async () => {
    expect((await call({ url: '/v1/things?limt=5' })).json()).toMatchObject({
      errors: [{ pointer: '/query/limt', code: 'unknown_member' }],
    });
  });

  test('pages follow each other to the end', async () => {
    const seen: number[] = [];
    let url: string | undefined = '/v1/things?limit=2';
    while (url !== undefined) {
      const page: { data: number[]; next_cursor: string | null } = (await call({ url })).json();
      seen.push(...page.data);
      url = page.next_cursor === null ? undefined : `/v1/things?limit=2&cursor=${page.next_cursor}`;
    }
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });

  test.each(['x', 'bnVsbA', 'WyJ2MSJd', 'WyJ2MCIsIjEiXQ', '%20', 'WyJ2MSIsMV0'])(
    'the cursor %s, which no list gave, is refused',
    async (cursor) => {
      expect((await call({ url: `/v1/things?cursor=${cursor}` })).json()).toMatchObject({
        code: 'request.invalid_parameter',
      });
    },
  );
});

describe('who a request is from (U19)', () => {
  test('a key is its tenant, also when it has to be looked up', async () => {
    expect((await post(THING, bearer(KEY))).json()).toMatchObject({
      tenant: 'acme',
      keyId: 'key_1',
      scopes: ['*'],
    });
    expect((await post(THING, bearer(SLOW_KEY))).json()).toMatchObject({ tenant: 'acme' });
    expect((await post(THING, { authorization: `bearer   ${KEY}` })).json()).toMatchObject({
      tenant: 'acme',
    });
  });

  test('a key that cannot be looked up is a 503, never the sandbox', async () => {
    expect((await post(THING, bearer(FAILING_KEY))).json()).toMatchObject({ code: 'service.unavailable' });
  });

  test.each([
    'lk_wrong',
    'Bearer',
    'Bearer ',
    `Basic ${KEY}`,
    `Bearer ${KEY}x`,
    `Bearer ${KEY} x`,
    '',
    'x'.repeat(300),
  ])('the credentials %j are refused, also in the sandbox', async (authorization) => {
    expect((await call({ headers: { authorization } })).statusCode).toBe(401);
  });

  test('authentication comes before the body is looked at', async () => {
    const answer = await post('{"broken', bearer('lk_wrong'));
    expect(answer.json()).toMatchObject({ code: 'access.unauthenticated' });
  });

  describe('without credentials', () => {
    const tenantOf = async (request: Call) => {
      const answer = await call(request);
      return answer.statusCode === 401 ? 'refused' : answer.json<{ tenant: string }>().tenant;
    };

    test.each(['localhost', 'localhost:8080', '127.0.0.1:8080', '127.1.2.3', '[::1]:8080', 'LOCALHOST:80'])(
      'from this machine to %s is the sandbox',
      async (host) => {
        expect(await tenantOf({ headers: { host } })).toBe('sandbox');
        expect(await tenantOf({ headers: { host }, remoteAddress: '::ffff:127.0.0.1' })).toBe('sandbox');
        expect(await tenantOf({ headers: { host }, remoteAddress: '::1' })).toBe('sandbox');
      },
    );

    test.each([
      'example.com',
      'localhost.example.com',
      '127.0.0.1.example.com',
      'example.com:8080',
      '10.0.0.1',
      '0.0.0.0',
      'localhost:8080@example.com',
    ])('a Host of %j is refused: a name may have been re-bound to this machine', async (host) => {
      expect(await tenantOf({ headers: { host } })).toBe('refused');
    });

    test.each(['10.0.0.5', '192.168.1.1', '::ffff:10.0.0.5', '2001:db8::1', '1270.0.0.1'])(
      'from %s is refused',
      async (remoteAddress) => {
        expect(await tenantOf({ headers: { host: 'localhost' }, remoteAddress })).toBe('refused');
      },
    );

    test.each([
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:3000' },
      { origin: 'https://localhost:8080' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'x-forwarded-for': '1.2.3.4' },
      { forwarded: 'for=1.2.3.4' },
      { via: '1.1 proxy' },
    ])('with %j is refused', async (headers) => {
      expect(await tenantOf({ headers: { host: 'localhost:8080', ...headers } })).toBe('refused');
    });

    test.each([
      { origin: 'http://localhost:8080' },
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
    ])('with %j, from our own page, is the sandbox', async (headers) => {
      expect(await tenantOf({ headers: { host: 'localhost:8080', ...headers } })).toBe('sandbox');
    });

    test('in production nobody is let in', async () => {
      const production = await givenEdge({ sandboxTenant: undefined });
      expect((await call({ headers: { host: 'localhost' } }, production)).statusCode).toBe(401);
      await production.app.close();
    });
  });

  test('a route that says neither scope nor open does not start', async () => {
    const other = await givenEdge();
    expect(() => other.app.get('/v1/forgotten', () => ({}))).toThrow('must say in its config which scope');
    expect(() => other.app.get('/v1/both', { config: { open: true, scope: 'x' } }, () => ({}))).toThrow(
      'must say in its config',
    );
    await other.app.close();
  });

  test('a route whose body is open to unknown members does not start', async () => {
    const other = await givenEdge();
    other.app.post(
      '/v1/open-body',
      { config: { scope: 'x' }, schema: { body: { type: 'object', properties: {} } } },
      () => ({}),
    );
    await expect(other.app.ready()).rejects.toThrow('additionalProperties: false');
  });
});

describe('one correlation id finds everything (U17)', () => {
  test('the caller’s is on the answer, in the context and on every line', async () => {
    const headers = { ...bearer(KEY), 'x-correlation-id': 'order-42' };
    const answer = await post(THING, headers);
    expect(answer.headers['x-correlation-id']).toBe('order-42');
    expect(answer.json()).toMatchObject({ correlationId: 'order-42', receivedAt: NOW });
    expect(edge.log.at(-1)).toMatchObject({
      level: 'debug',
      correlation_id: 'order-42',
      route: '/v1/things',
      method: 'POST',
      status: 202,
    });
  });

  test('a fault’s line carries it, with the stack that the caller does not see', async () => {
    const answer = await call({ url: '/v1/faults/permanent', headers: { 'x-correlation-id': 'fault-1' } });
    expect(answer.body).not.toMatch(/secrets|relation|stack|at /);
    const lines = edge.log.filter((line) => line['correlation_id'] === 'fault-1');
    expect(lines).toMatchObject([
      { level: 'error', err: { message: 'relation "secrets" does not exist' } },
      { level: 'error', status: 500 },
    ]);
    expect(JSON.stringify(lines)).toContain('stack');
  });

  test.each(['a b', 'a"b', 'ä', 'x'.repeat(129), '', 'a\\b'])(
    'of the insane %j it makes a new one',
    async (given) => {
      const answer = await call({ headers: { 'x-correlation-id': given } });
      expect(answer.headers['x-correlation-id']).toMatch(/^cor_[0-9a-z]{26}$/);
    },
  );

  test('no line holds a key', async () => {
    await post(THING, bearer(KEY));
    await call({ headers: bearer('lk_wrong_and_logged') });
    expect(JSON.stringify(edge.log)).not.toMatch(/lk_/);
  });

  test('a trace is handed on with no flag but sampled, an invalid one is ignored', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-ff`;
    expect((await post(THING, { traceparent })).json()).toMatchObject({
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    });
    expect((await post(THING, { traceparent: 'garbage' })).json()).not.toHaveProperty('traceparent');
  });
});

describe('limits per key (STANDARDS §11)', () => {
  const stopClock = (): void => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
  };

  test('count each key for itself, and tell what is left', async () => {
    const fixture = await givenEdge({ rateLimitPerSecond: 3 });
    const first = await call({ headers: bearer(KEY) }, fixture);
    expect(first.headers['ratelimit-policy']).toBe('"key";q=3;w=1');
    expect(first.headers['ratelimit']).toBe('"key";r=2;t=1');
    await call({ headers: bearer(KEY) }, fixture);
    await call({ headers: bearer(KEY) }, fixture);
    const refused = await call({ headers: bearer(KEY) }, fixture);
    expect(refused.statusCode).toBe(429);
    expect(refused.headers['ratelimit']).toBe('"key";r=0;t=1');
    expect(refused.headers['retry-after']).toBe('1');
    expect((await call({ headers: bearer(READER_KEY) }, fixture)).statusCode).toBe(200);
    expect((await call({ url: '/livez' }, fixture)).statusCode).toBe(200);
    await fixture.app.close();
  });

  test.each([KEY, SLOW_KEY])('of requests that come at once, as many pass as may', async (key) => {
    stopClock(); // however busy the machine is, they are of one second
    const fixture = await givenEdge({ rateLimitPerSecond: 3 });
    const asked = Array.from({ length: 5 }, () => call({ headers: bearer(key) }, fixture));
    const statuses = (await Promise.all(asked)).map(({ statusCode }) => statusCode);
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    await fixture.app.close();
  });

  test('the next second begins anew, also where the clock was set back', async () => {
    stopClock();
    const fixture = await givenEdge({ rateLimitPerSecond: 1 });
    const status = async () => (await call({ headers: bearer(KEY) }, fixture)).statusCode;
    expect([await status(), await status()]).toEqual([200, 429]);
    vi.advanceTimersByTime(999);
    expect(await status()).toBe(429);
    vi.advanceTimersByTime(1);
    vi.setSystemTime(Date.now() - 3_600_000);
    expect([await status(), await status()]).toEqual([200, 429]);
    await fixture.app.close();
  });

  test('a request that is refused its identity counts for nobody', async () => {
    const fixture = await givenEdge({ rateLimitPerSecond: 1 });
    await call({ headers: bearer('lk_wrong') }, fixture);
    await call({ headers: bearer('lk_wrong') }, fixture);
    expect((await call({ headers: bearer(KEY) }, fixture)).statusCode).toBe(200);
    await fixture.app.close();
  });

  test('no limit, no headers', async () => {
    expect((await call({})).headers).not.toHaveProperty('ratelimit');
  });
});

describe('health and metrics are open to all', () => {
  const stranger = { remoteAddress: '10.0.0.9', headers: { host: 'lastro.example' } };

  test('/livez says that the process answers', async () => {
    const answer = await call({ url: '/livez', ...stranger });
    expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'alive' }]);
  });

  test('/readyz names everything that is not ready', async () => {
    let isUp = false;
    const fixture = await givenEdge({
      readiness: [
        { name: 'log', check: () => undefined },
        { name: 'database', check: async () => (isUp ? undefined : 'no connection') },
        {
          name: 'leases',
          check: () => {
            if (!isUp) throw new TypeError('select * from secrets');
            return undefined;
          },
        },
      ],
    });
    const down = await call({ url: '/readyz', ...stranger }, fixture);
    expect(down.statusCode).toBe(503);
    expect(down.json()).toEqual({
      status: 'unready',
      reasons: [
        { name: 'database', reason: 'no connection' },
        { name: 'leases', reason: 'TypeError' },
      ],
    });
    isUp = true;
    expect((await call({ url: '/readyz', ...stranger }, fixture)).json()).toEqual({ status: 'ready' });
    await fixture.app.close();
  });

  test('/metrics counts every answer by route template, method and class of status (U20)', async () => {
    const fixture = await givenEdge();
    await call({ url: '/v1/things/1' }, fixture);
    await call({ url: '/v1/things/2' }, fixture);
    await call({ url: '/v1/nothing-1' }, fixture);
    await call({ url: '/v1/nothing-2' }, fixture);
    await call({ headers: bearer('lk_wrong') }, fixture);
    const text = (await call({ url: '/metrics', ...stranger }, fixture)).body;
    const counts = text
      .split('\n')
      .filter((line) => line.startsWith('lastro_http_request_duration_seconds_count'));
    expect(counts.toSorted()).toEqual([
      'lastro_http_request_duration_seconds_count{route="/v1/things/:id",method="GET",status="2xx"} 2',
      'lastro_http_request_duration_seconds_count{route="/v1/things/:id",method="GET",status="4xx"} 1',
      'lastro_http_request_duration_seconds_count{route="none",method="any",status="4xx"} 2',
    ]);
    await fixture.app.close();
  });
});

describe('the documentation', () => {
  interface Operation {
    readonly security: unknown;
    readonly requestBody?: unknown;
    readonly parameters: readonly {
      readonly in: string;
      readonly name: string;
      readonly required?: boolean;
    }[];
    readonly responses: Readonly<Record<string, { readonly content?: object; readonly headers: object }>>;
  }
  interface ApiDocument {
    readonly openapi: string;
    readonly info: { readonly version: string };
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  }

  const apiDocument = async () => (await call({ url: '/openapi.json' })).json<ApiDocument>();

  async function operationOf(method: string, path: string): Promise<Operation> {
    const operation = (await apiDocument()).paths[path]?.[method];
    if (operation === undefined) throw new Error(`${method} ${path} is not in the document`);
    return operation;
  }

  test('is OpenAPI 3.1, made of the schemas that validate', async () => {
    const document = await apiDocument();
    expect(document.openapi).toBe('3.1.0');
    expect(document.info.version).toBe('1.2.3');
    expect(Object.keys(document.paths)).toContain('/v1/things/{id}');
    const operation = document.paths['/v1/things']?.['post'];
    expect(operation?.security).toEqual([{ api_key: ['things:write'] }]);
    expect(JSON.stringify(operation?.requestBody)).toContain('"additionalProperties":false');
  });

  test('has the routes of operation too: a probe that is refused gets no problem', async () => {
    expect((await operationOf('get', '/livez')).security).toEqual([]);
    expect((await operationOf('get', '/metrics')).responses['200']?.content).toHaveProperty('text/plain');
    const { responses } = await operationOf('get', '/readyz');
    expect(responses['503']?.content).toHaveProperty('application/json');
    expect(responses['default']?.content).toHaveProperty(['application/problem+json']);
  });

  test('says of every refusal that it is a problem, and when to come again', async () => {
    const { responses } = await operationOf('post', '/v1/things');
    expect(Object.keys(responses)).toEqual(['202', '429', '503', 'default', '4XX']);
    for (const [status, { content, headers }] of Object.entries(responses)) {
      const mediaType = status === '202' ? 'application/json' : 'application/problem+json';
      expect(Object.keys(content ?? {})).toEqual([mediaType]);
      expect('Retry-After' in headers).toBe(status === '429' || status === '503');
    }
  });

  test('lists the headers that an operation reads and sends', async () => {
    const headersIn = ({ parameters }: Operation) =>
      parameters.filter((one) => one.in === 'header').map(({ name, required }) => [name, required ?? false]);
    const making = await operationOf('post', '/v1/things');
    expect(headersIn(making)).toEqual([
      ['Idempotency-Key', true],
      ['Prefer', false],
      ['X-Correlation-ID', false],
    ]);
    expect(Object.keys(making.responses['202']?.headers ?? {})).toEqual([
      'X-Correlation-ID',
      'Idempotency-Replayed',
      'Preference-Applied',
    ]);
    expect(making.responses['4XX']?.headers).toHaveProperty('Idempotency-Replayed');
    const reading = await operationOf('get', '/v1/things');
    expect(headersIn(reading)).toEqual([['X-Correlation-ID', false]]);
    expect(Object.keys(reading.responses['default']?.headers ?? {})).toEqual(['X-Correlation-ID']);
  });

  test('asks for a body only where one must be sent', async () => {
    const isRequired = async (path: string) =>
      ((await operationOf('post', path)).requestBody as { required?: boolean }).required ?? false;
    expect(await isRequired('/v1/things')).toBe(true);
    expect(await isRequired('/v1/things/{id}/end')).toBe(false);
    const sent = await call({ url: '/v1/things/1/end', method: 'POST' });
    expect([sent.statusCode, sent.json()]).toEqual([200, { said: null }]);
  });

  test('has a page that loads nothing from elsewhere and may run its own scripts only', async () => {
    const page = await call({ url: '/docs' });
    expect(page.statusCode).toBe(200);
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    expect(page.body).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    const scripts = [...page.body.matchAll(/src="([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) {
      expect((await call({ url: new URL(script, 'http://localhost/docs/').pathname })).statusCode).toBe(200);
    }
  });
});

describe('whatever is sent', () => {
  const methods = fc.constantFrom<Method>('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS');
  const paths = fc.oneof(
    fc.constantFrom('/v1/things', '/v1/things/1', '/v1/nothing', '/livez', '/problems/x', '/docs/', '*'),
    fc.string().map((text) => `/v1/things/${encodeURIComponent(text.toWellFormed())}`),
    fc.string().map((text) => `/v1/things?${encodeURIComponent(text.toWellFormed())}`),
    fc.webPath().map((path) => `/${path}`),
    fc.stringMatching(/^\/v1\/things[/?][!-~]{0,40}$/),
  );
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .object({ withNullPrototype: true, withObjectString: true })
      .map((value) => Buffer.from(JSON.stringify(value))),
    fc
      .record({
        wallet_id: fc.anything(),
        amount: fc.anything(),
        currency: fc.string(),
        metadata: fc.anything(),
      })
      .map((value) =>
        Buffer.from(
          JSON.stringify(value, (_name, item: unknown) => (typeof item === 'bigint' ? String(item) : item)),
        ),
      ),
  );
  const headerValue = fc.stringMatching(/^[\t -~\u0080-\u00ff]{0,60}$/);
  const headers = fc.record(
    {
      'content-type': fc.oneof(fc.constant('application/json'), headerValue),
      'content-encoding': headerValue,
      authorization: fc.oneof(fc.constant(`Bearer ${KEY}`), headerValue),
      'idempotency-key': headerValue,
      'x-idempotent-key': headerValue,
      'x-correlation-id': headerValue,
      traceparent: headerValue,
      prefer: headerValue,
      host: headerValue,
      origin: headerValue,
      accept: headerValue,
      'accept-version': headerValue,
    },
    { requiredKeys: [] },
  );

  test('it never makes a 5xx, and the answer is a problem or a success', async () => {
    await fc.assert(
      fc.asyncProperty(
        methods,
        paths,
        headers,
        fc.option(garbage, { nil: undefined }),
        async (method, url, given, payload) => {
          const answer = await call({
            method,
            url,
            headers: given,
            ...(payload === undefined ? {} : { payload }),
          });
          expect(answer.statusCode).toBeLessThan(500);
          expect(answer.headers['x-correlation-id']).toBeDefined();
          if (answer.statusCode >= 400) {
            expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
          }
        },
      ),
      { numRuns: 1_500 },
    );
  });
});
