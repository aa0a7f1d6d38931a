/** Answers that nobody reads, on real connections. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { closeHttpApp } from './closing.ts';
import { givenEdge, KEY } from './edge-fixture.ts';

/** Four are what is held. */
const ANSWER = `"${'x'.repeat(16 * 1024 * 1024)}"`;

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function givenLargeAnswers() {
  const { app } = await givenEdge({ logLevel: 'fatal' });
  ends.push(() => closeHttpApp(app, 100));
  let asked = 0;
  let answered = 0;
  const config = { scope: 'things:read' };
  app.get('/v1/large', { config }, (_request, reply) => {
    answered += 1;
    return reply.header('content-type', 'application/json').send(ANSWER);
  });
  app.get('/v1/medium', { config }, (_request, reply) => {
    answered += 1;
    return reply.header('content-type', 'application/json').send(`"${'x'.repeat(200_000)}"`);
  });
  app.get('/v1/large/late', { config }, async ({ raw }, reply) => {
    asked += 1;
    await once(raw.socket, 'close');
    answered += 1;
    return reply.header('content-type', 'application/json').send(ANSWER);
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  const { port } = address;
  const ask = (path: string, times = 2): Socket => {
    const socket = connect(port, '127.0.0.1').pause();
    socket.on('error', () => {
      // It may be cut off.
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(times));
    ends.push(() => socket.destroy());
    return socket;
  };
  const read = async (headers: Record<string, string> = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/large`, { headers });
    const body = await answer.text();
    return [answer.status, answer.headers.get('retry-after'), /"code":"([^"]+)"/.exec(body)?.[1]];
  };
  return { ask, read, asked: () => asked, answered: () => answered };
}

test('64 MiB of a caller’s answers are held; one more is answered 503, until they are taken or given up', async () => {
  const { ask, read, answered } = await givenLargeAnswers();
  const unread = [ask('/v1/large'), ask('/v1/large')];
  await expect.poll(answered).toBe(4);
  expect(await read()).toEqual([503, '2', 'service.overloaded']);
  expect(await read({ authorization: `Bearer ${KEY}` })).toEqual([200, null, undefined]);

  for (const socket of unread) socket.destroy();
  await expect.poll(() => read()).toEqual([200, null, undefined]);
});

test('what is answered to callers who have gone is not held', async () => {
  const { ask, read, asked, answered } = await givenLargeAnswers();
  const impatient = Array.from({ length: 3 }, () => ask('/v1/large/late'));
  await expect.poll(asked).toBe(6);
  for (const socket of impatient) socket.destroy();
  await expect.poll(answered).toBe(6);
  expect(await read()).toEqual([200, null, undefined]);
});

test('many answers that wait on one connection are no leak that Node warns of', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error): unknown => warnings.push(message);
  process.on('warning', note);
  ends.push(() => process.off('warning', note));
  const { ask, read, answered } = await givenLargeAnswers();
  ask('/v1/medium', 16);
  await expect.poll(answered).toBe(16);
  await read();
  expect(warnings).toEqual([]);
});
