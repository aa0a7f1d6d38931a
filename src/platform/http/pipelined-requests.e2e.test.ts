/** Requests that a connection sends ahead of its answers, on real connections. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { closeHttpApp } from './closing.ts';
import { type EdgeFixture, givenEdge, THING } from './edge-fixture.ts';
import { lineUpPipelined } from './pipelined-requests.ts';

/** The one that nothing precedes, and 16 behind it. */
const UNDER_WAY = 17;

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** A server of nothing but the line and what stands behind it. */
async function givenLine(handle: RequestListener, mostWaiting?: number): Promise<Server & { port: number }> {
  const server = createServer(handle);
  lineUpPipelined(server, mostWaiting);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  return Object.assign(server, { port: portOf(server) });
}

async function givenProduct(): Promise<EdgeFixture & { port: number }> {
  const edge = await givenEdge({ logLevel: 'fatal' });
  await edge.app.listen({ host: '127.0.0.1', port: 0 });
  ends.push(() => closeHttpApp(edge.app, 100));
  return { ...edge, port: portOf(edge.app.server) };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return address.port;
}

function send(port: number, bytes: string): { socket: Socket; received: () => string } {
  const socket = connect(port, '127.0.0.1');
  ends.push(() => socket.destroy());
  let received = '';
  socket.on('data', (chunk) => {
    received += String(chunk);
  });
  socket.on('error', () => {
    // A peer that is cut off may be reset.
  });
  socket.write(bytes);
  return { socket, received: () => received };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

function post(path: string): string {
  const body = JSON.stringify(THING);
  const entity = `Content-Type: application/json\r\nContent-Length: ${body.length}`;
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\n${entity}\r\n\r\n${body}`;
}

const answersIn = (text: string) => text.match(/HTTP\/1\.1 /g)?.length ?? 0;

/** Lets a server do whatever it is about to. */
async function turns(count = 50): Promise<void> {
  for (; count > 0; count -= 1) await new Promise((resolve) => setImmediate(resolve));
}

test('of one connection 16 requests are under way behind the first; all are answered, in order', async () => {
  const { port, release, waiting } = await givenProduct();
  const ids = Array.from({ length: 100 }, (_, index) => `n${index}`);
  const ahead = get('/v1/waiting').repeat(100) + ids.map((id) => get(`/v1/things/${id}`)).join('');
  const { received } = send(port, ahead);
  await expect.poll(waiting).toBe(UNDER_WAY);
  await turns();
  expect(waiting()).toBe(UNDER_WAY);
  release();
  await expect.poll(() => answersIn(received())).toBe(200);
  expect([...received().matchAll(/"id":"(\w+)"/g)].map((match) => match[1])).toEqual(ids);
});

test('of a connection with requests that wait nothing more is read', async () => {
  const { app, port, release, waiting } = await givenProduct();
  const connected = once(app.server, 'connection');
  const bytes = get('/v1/waiting') + post('/v1/things').repeat(5_000);
  const { received } = send(port, bytes);
  const [served] = (await connected) as [Socket];
  await expect.poll(waiting).toBe(1);
  await turns(500);
  expect(served.bytesRead).toBeLessThan(bytes.length / 4);
  release();
  await expect.poll(() => answersIn(received())).toBe(5_001);
  expect(received()).not.toMatch(/HTTP\/1\.1 (?!20[02])/);
});

test('between two looks at the sockets 64 that were sent ahead are let in, of all connections by turns', async () => {
  const begun: string[] = [];
  const { port } = await givenLine((request, response) => {
    begun.push(request.url ?? '');
    response.end();
  });
  const perTurn: number[] = [];
  let isOver = false;
  const look = () => {
    perTurn.push(begun.length - perTurn.reduce((sum, each) => sum + each, 0));
    if (!isOver) setImmediate(look);
  };
  look();
  const callers = Array.from({ length: 10 }, (_, index) => send(port, get(`/${index}`).repeat(200)));
  const answered = () => callers.map(({ received }) => answersIn(received()));
  await expect.poll(answered).toEqual(callers.map(() => 200));
  isOver = true;
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(64 + callers.length);
});

test('a request is not let in in the context of another', async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const { port } = await givenLine((request, response) => {
    seen.push(context.getStore());
    context.run(request.url ?? '', () => setTimeout(() => response.end(), 1));
  });
  const { received } = send(port, get('/a').repeat(100));
  await expect.poll(() => answersIn(received())).toBe(100);
  expect(new Set(seen)).toEqual(new Set([undefined]));
});

test('what waits behind an answer that closes the connection is dropped', async () => {
  const held: ServerResponse[] = [];
  const { port } = await givenLine((_request, response) => held.push(response));
  const { socket, received } = send(port, get('/').repeat(100));
  const closed = once(socket, 'close');
  await expect.poll(() => held.length).toBe(UNDER_WAY);
  const [first, second] = held;
  first?.end();
  second?.setHeader('connection', 'close').end();
  await closed;
  expect([answersIn(received()), held.length]).toEqual([2, UNDER_WAY]);
});

test('where as many wait as may, a connection that sends more ahead is cut, and one that sends a few is not', async () => {
  const held: ServerResponse[] = [];
  const { port } = await givenLine((_request, response) => held.push(response), 10);
  const few = send(port, get('/').repeat(UNDER_WAY));
  await expect.poll(() => held.length).toBe(UNDER_WAY);
  const more = send(port, get('/').repeat(UNDER_WAY + 1));
  await once(more.socket, 'close');
  for (const response of held) response.end();
  await expect.poll(() => answersIn(few.received())).toBe(UNDER_WAY);
});
