/** What shows only on a real connection: bytes that are no request, dribbling peers, draining. */
import { once } from 'node:events';
import { Agent, get as httpGet } from 'node:http';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import type { FastifyRequest } from 'fastify';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { callBeforeAccepted } from '../../../tests/early-callers.ts';
import { PATIENCE } from '../../../tests/patience.ts';
import { closeHttpApp } from './closing.ts';
import { type EdgeFixture, givenEdge, KEY, THING } from './edge-fixture.ts';

let edge: EdgeFixture | undefined;

afterEach(async () => {
  edge?.release();
  if (edge !== undefined) await closeHttpApp(edge.app, 100);
  edge = undefined;
});

async function givenServer(
  options: Parameters<typeof givenEdge>[0] = {},
  addRoutes: (app: EdgeFixture['app']) => void = () => undefined,
) {
  edge = await givenEdge(options);
  addRoutes(edge.app);
  await edge.app.listen({ host: '127.0.0.1', port: 0 });
  const address = edge.app.server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return { ...edge, port: address.port };
}

/** A connection that collects what comes back. */
function dial(port: number): { socket: Socket; received: () => string; closed: Promise<unknown> } {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => {
    received += String(chunk);
  });
  socket.on('error', () => {
    // A peer that is cut off may be reset; what it received is what counts.
  });
  return { socket, received: () => received, closed: once(socket, 'close') };
}

/** Sends bytes and gives what came back until the server closed the connection. */
async function exchange(port: number, bytes: string | Uint8Array): Promise<string> {
  const { socket, received, closed } = dial(port);
  socket.write(bytes);
  await closed;
  return received();
}

test('an expectation that is not known is passed over', async () => {
  const { port } = await givenServer();
  const answer = await exchange(
    port,
    'GET /v1/things/1 HTTP/1.1\r\nHost: localhost\r\nExpect: wonders\r\nConnection: close\r\n\r\n',
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).toMatch(/x-correlation-id: cor_/);
});

describe('request.too_large: a body that says how long it is', () => {
  const MEBIBYTE = 1024 * 1024;
  const head = (bytes: number, more = '') =>
    `POST /v1/things HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\n${more}Content-Length: ${bytes}\r\n\r\n`;

  test('is passed over, so that who sends all of it before he reads is answered', async () => {
    const { port } = await givenServer();
    const { socket, received, closed } = dial(port);
    socket.write(head(3 * MEBIBYTE));
    await vi.waitFor(() => expect(received()).toMatch(/^HTTP\/1\.1 413 /), PATIENCE);
    expect(codeOf(received())).toBe('request.too_large');
    socket.write(Buffer.alloc(3 * MEBIBYTE, ' '));
    socket.write('GET /v1/things/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    await closed;
    expect(received()).toContain('HTTP/1.1 200 OK\r\n');
  });

  test.each([
    ['is far beyond everything', 65 * MEBIBYTE, ''],
    ['may not come at all', 3 * MEBIBYTE, 'Expect: 100-continue\r\n'],
  ])('and %s ends its connection', async (_name, bytes, more) => {
    const { port } = await givenServer();
    expect(await exchange(port, head(bytes, more))).toMatch(/HTTP\/1\.1 413 .*\r\nconnection: close/s);
  });
});

const codeOf = (answer: string) => /"code":"([^"]+)"/.exec(answer)?.[1];

test.each([
  ['bytes that are no request', 'NONSENSE\r\n\r\n'],
  ['a tunnel', 'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
])('request.malformed: %s: answered as a problem, and the connection is closed', async (_name, sent) => {
  const { port } = await givenServer();
  const answer = await exchange(port, sent);
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(answer).toContain('content-type: application/problem+json; charset=utf-8');
  expect(answer).toMatch(/x-correlation-id: cor_/);
  expect(codeOf(answer)).toBe('request.malformed');
});

test.each([
  ['no Host', 'GET /v1/things/1 HTTP/1.1\r\nConnection: close\r\n\r\n'],
  [
    'two Hosts',
    'GET /v1/things/1 HTTP/1.1\r\nHost: localhost\r\nhOST: localhost\r\nConnection: close\r\n\r\n',
  ],
  ['a NUL in a header', 'GET / HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\0b\r\n\r\n'],
  [
    'two lengths',
    'POST /v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
  ],
  [
    'length and chunks',
    'POST /v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  [
    'a raw byte in the target',
    'GET /v1/things/\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  ],
])('request.malformed: %s', async (_what, request) => {
  const { port } = await givenServer();
  expect(codeOf(await exchange(port, Buffer.from(request, 'latin1')))).toBe('request.malformed');
});

test('an empty Host is not the sandbox', async () => {
  const { port } = await givenServer();
  const answer = await exchange(port, 'GET /v1/things/1 HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n');
  expect(codeOf(answer)).toBe('access.unauthenticated');
});

test.each([
  ['http://other.example/v1/things/1', 'localhost', 'access.unauthenticated'],
  ['http://localhost@other.example/v1/things/1', 'localhost', 'access.unauthenticated'],
  ['http://localhost:81/v1/things/1', 'localhost:80', 'access.unauthenticated'],
  ['http://other.example/v1/things/1', 'other.example', 'access.unauthenticated'],
  ['http://LOCALHOST:80/v1/things/1', 'localhost:80', undefined],
])(
  'a target of %s with Host: %s is the sandbox only if both are the same name of this machine',
  async (target, host, code) => {
    const { port } = await givenServer();
    const answer = await exchange(
      port,
      `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    expect(codeOf(answer)).toBe(code);
    expect(answer.includes('"tenant":"sandbox"')).toBe(code === undefined);
  },
);

test('405 is told of a target in absolute form too', async () => {
  const { port } = await givenServer();
  const head = 'PUT http://localhost/v1/things?x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  expect(await exchange(port, head)).toContain('allow: GET, HEAD, POST\r\n');
});

test('request.headers_too_large', async () => {
  const { port } = await givenServer();
  const answer = await exchange(
    port,
    `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  );
  expect(codeOf(answer)).toBe('request.headers_too_large');
});

test('request.timeout: a peer that dribbles its headers is cut off', async () => {
  const fixture = await givenServer();
  fixture.app.server.headersTimeout = 200;
  const { socket, received, closed } = dial(fixture.port);
  socket.write('GET /v1/things/1 HTTP/1.1\r\nHost: localhost\r\n');
  const dribble = setInterval(() => socket.write('X: x\r\n'), 50);
  await closed;
  clearInterval(dribble);
  expect(codeOf(received())).toBe('request.timeout');
});

test('request.timeout: a peer that dribbles its body is cut off', async () => {
  const fixture = await givenServer();
  fixture.app.server.requestTimeout = 300;
  fixture.app.server.headersTimeout = 200;
  const { socket, received, closed } = dial(fixture.port);
  socket.write(
    'POST /v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
  );
  const dribble = setInterval(() => socket.write(' '), 50);
  await closed;
  clearInterval(dribble);
  expect(codeOf(received())).toBe('request.timeout');
});

describe('bodies that do not end', () => {
  const MEBIBYTE = 1024 * 1024;
  const head = (framing: string) =>
    `POST /v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${framing}\r\n\r\n`;
  const declared = head(`Content-Length: ${MEBIBYTE}`);
  /** What a body of the largest size is answered. */
  const sendLargest = async (port: number) => {
    const { socket, received, closed } = dial(port);
    socket.write(`${head(`Content-Length: ${MEBIBYTE}\r\nConnection: close`)}${' '.repeat(MEBIBYTE)}`);
    await closed;
    return codeOf(received());
  };
  const chunked = `${head('Transfer-Encoding: chunked')}${(MEBIBYTE - 1).toString(16)}\r\n${' '.repeat(MEBIBYTE - 1)}\r\n`;

  test.each([
    ['says how long it is', declared],
    ['does not say how long it is', chunked],
  ])('are held up to 32 MiB of a caller; one more that %s is answered 503', async (_what, unfinished) => {
    const { port } = await givenServer();
    const unended = Array.from({ length: 33 }, () => dial(port));
    for (const { socket } of unended) socket.write(unfinished);
    const answers = () => unended.map(({ received }) => received()).filter((text) => text !== '');
    // Of bodies counted as they come, several may meet the bound halfway.
    await expect.poll(() => [...new Set(answers().map(codeOf))]).toEqual(['service.overloaded']);
    expect(answers()[0]).toMatch(/^HTTP\/1\.1 503 [^]*\r\nretry-after: 2\r\n/);

    const small = dial(port);
    small.socket.write(`${head('Content-Length: 2')}{}`);
    await expect.poll(small.received).toContain('request.invalid');

    for (const { socket } of [...unended, small]) socket.destroy();
    await expect.poll(() => sendLargest(port)).toBe('request.malformed_json');
  });

  test('are not held of callers who have gone before they are read', async () => {
    let arrived = 0;
    let gone = 0;
    const onRequest = async ({ raw }: FastifyRequest): Promise<void> => {
      arrived += 1;
      await once(raw.socket, 'close');
      gone += 1;
    };
    const { port } = await givenServer({}, (app) =>
      app.post('/v1/late', { config: { scope: 'things:write' }, onRequest }, () => ({})),
    );
    const impatient = Array.from({ length: 33 }, () => dial(port));
    for (const { socket } of impatient) socket.write(declared.replace('/v1/things', '/v1/late'));
    await expect.poll(() => arrived).toBe(33);
    for (const { socket } of impatient) socket.destroy();
    await expect.poll(() => gone).toBe(33);
    expect(await sendLargest(port)).toBe('request.malformed_json');
  });

  test.each([
    ['too large', 'request.too_large', head(`Content-Length: ${MEBIBYTE + 1}`)],
    ['too large in chunks', 'request.too_large', `${chunked}2\r\n  \r\n`],
    [
      'of another type',
      'request.unsupported_media_type',
      head(`Content-Length: ${MEBIBYTE}`).replace('application/json', 'text/xml'),
    ],
  ])('are held no longer once they are refused as %s', async (_what, code, refused) => {
    const { port } = await givenServer();
    for (let count = 0; count < 33; count += 1) {
      const { socket, received } = dial(port);
      socket.write(refused);
      await expect.poll(() => codeOf(received()), PATIENCE).toBe(code);
      socket.destroy();
    }
  });
});

test('the limits on a peer’s time are in force', async () => {
  const { app } = await givenServer();
  expect(app.server).toMatchObject({
    keepAliveTimeout: 75_000,
    headersTimeout: 10_000,
    requestTimeout: 30_000,
  });
});

test('request.too_large: a body that does not say its length is cut at the limit', async () => {
  const { port } = await givenServer();
  const { socket, received, closed } = dial(port);
  socket.write(
    'POST /v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
  for (let sent = 0; sent < 20; sent += 1) socket.write(chunk);
  await vi.waitUntil(() => received().includes('\r\n\r\n'), PATIENCE);
  expect(codeOf(received())).toBe('request.too_large');
  socket.destroy();
  await closed;
});

test('a peer that goes away in the middle of its body harms nobody', async () => {
  const { port, log } = await givenServer();
  const { socket, closed } = dial(port);
  socket.write(
    'POST /v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a"',
  );
  await once(socket, 'ready');
  socket.destroy();
  await closed;
  const answer = await fetch(`http://127.0.0.1:${port}/v1/things/1`);
  expect(answer.status).toBe(200);
  expect(log.filter((line) => line['level'] === 'error')).toEqual([]);
});

test('whatever bytes are sent, the server answers 4xx or closes, and lives', async () => {
  const { port, log } = await givenServer();
  const head =
    'POST /v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n';
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 300 }).map((array) => Buffer.from(array)),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(`GET /${text} HTTP/1.1\r\n\r\n`)),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(`${head}${text}\r\n\r\n`)),
    fc
      .uint8Array({ maxLength: 100 })
      .map((array) => Buffer.concat([Buffer.from(`${head}Content-Length: ${array.length}\r\n\r\n`), array])),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (sent) => {
      const { socket, received, closed } = dial(port);
      socket.end(sent);
      await closed;
      expect(received()).toMatch(/^(?:HTTP\/1\.1 (?:100|4\d\d) [^]*)?$/);
    }),
    { numRuns: 200 },
  );
  expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
  expect(log.filter((line) => line['level'] === 'error')).toEqual([]);
});

test('pipelined requests are answered in order, each under its own correlation id', async () => {
  const { port } = await givenServer();
  const request = (id: string, more = '') =>
    `GET /v1/things/${id} HTTP/1.1\r\nHost: localhost\r\nX-Correlation-ID: ${id}\r\n${more}\r\n`;
  const answer = await exchange(port, request('a') + request('b') + request('c', 'Connection: close\r\n'));
  expect([...answer.matchAll(/x-correlation-id: (\w+)/g)].map((match) => match[1])).toEqual(['a', 'b', 'c']);
  expect([...answer.matchAll(/"id":"(\w+)"/g)].map((match) => match[1])).toEqual(['a', 'b', 'c']);
});

test.each(['/v1/waiting', '/v1/waiting/parts'])(
  'closing finishes what is in flight at %s, says Connection: close, and accepts nothing new',
  async (path) => {
    const fixture = await givenServer();
    const agent = new Agent({ keepAlive: true });
    const waiting = Promise.withResolvers<{ status: number | undefined; connection: string | undefined }>();
    httpGet({ agent, port: fixture.port, host: '127.0.0.1', path }, (answer) => {
      answer.resume();
      waiting.resolve({ status: answer.statusCode, connection: answer.headers.connection });
    });
    await requestStarted(fixture);
    const closing = closeHttpApp(fixture.app, 10_000);
    await vi.waitUntil(() => !fixture.app.server.listening, PATIENCE);
    await expect(fetch(`http://127.0.0.1:${fixture.port}/livez`)).rejects.toThrow('fetch failed');
    fixture.release();
    expect(await waiting.promise).toEqual({ status: 200, connection: 'close' });
    await closing;
    agent.destroy();
  },
);

test('closing cuts what does not finish in time', async () => {
  const fixture = await givenServer();
  const { socket, received, closed } = dial(fixture.port);
  socket.write('GET /v1/waiting HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await requestStarted(fixture);
  await closeHttpApp(fixture.app, 100);
  await closed;
  expect(received()).toBe('');
});

test('closing answers those whose connections were made before it and not accepted yet', async () => {
  const fixture = await givenServer();
  const request = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const received = callBeforeAccepted(fixture.port, { request, count: 20 });
  await closeHttpApp(fixture.app, 60_000);
  for (const answer of await received) expect(answer).toMatch(/^HTTP\/1.1 200 [^]*connection: close/i);
});

test('an idle connection does not hold a closing server', async () => {
  const fixture = await givenServer();
  const { socket, received, closed } = dial(fixture.port);
  socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await vi.waitUntil(() => received().includes('alive'), PATIENCE);
  await closeHttpApp(fixture.app, 60_000);
  await closed;
  expect(fixture.app.server.listening).toBe(false);
});

test('a connection that has never said anything does not hold a closing server', async () => {
  const fixture = await givenServer();
  const accepted = once(fixture.app.server, 'connection');
  const { closed } = dial(fixture.port);
  await accepted;
  await closeHttpApp(fixture.app, 60_000);
  await closed;
  expect(fixture.app.server.listening).toBe(false);
});

test('a body is accepted over a real connection, under load of many at once', async () => {
  const { port } = await givenServer({ logLevel: 'info' });
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      fetch(`http://127.0.0.1:${port}/v1/things`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${KEY}`,
          'idempotency-key': `k-${index}`,
        },
        body: JSON.stringify({ ...THING, amount: index + 1 }),
      }).then((answer) => answer.json() as Promise<{ key: string; body: { amount: number } }>),
    ),
  );
  expect(answers.map((answer) => [answer.key, answer.body.amount])).toEqual(
    Array.from({ length: 100 }, (_, index) => [`k-${index}`, index + 1]),
  );
});

/** When the server has begun to work on a request. */
async function requestStarted(fixture: EdgeFixture): Promise<void> {
  await vi.waitUntil(() => fixture.waiting() > 0, PATIENCE);
}
