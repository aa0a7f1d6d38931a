/** Answers that nobody reads, on real connections. */
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { closeHttpApp } from './closing.ts';
import { givenEdge, KEY } from './edge-fixture.ts';

const MEBIBYTE = 1024 * 1024;

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

test('64 MiB of a caller’s answers are held; one more is answered 503, until they are taken or given up', async () => {
  const { app } = await givenEdge({ logLevel: 'fatal' });
  ends.push(() => closeHttpApp(app, 100));
  let answered = 0;
  app.get('/v1/large', { config: { scope: 'things:read' } }, (_request, reply) => {
    answered += 1;
    return reply.header('content-type', 'application/json').send(`"${'x'.repeat(16 * MEBIBYTE)}"`);
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  const { port } = address;
  const ask = (): Socket => {
    const socket = connect(port, '127.0.0.1').pause();
    socket.on('error', () => {
      // It may be cut off.
    });
    socket.write('GET /v1/large HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(2));
    ends.push(() => socket.destroy());
    return socket;
  };
  const read = async (headers: Record<string, string> = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/large`, { headers });
    const body = await answer.text();
    return [answer.status, answer.headers.get('retry-after'), /"code":"([^"]+)"/.exec(body)?.[1]];
  };

  const unread = [ask(), ask()];
  await expect.poll(() => answered).toBe(4);
  expect(await read()).toEqual([503, '2', 'service.overloaded']);
  expect(await read({ authorization: `Bearer ${KEY}` })).toEqual([200, null, undefined]);

  for (const socket of unread) socket.destroy();
  await expect.poll(() => read()).toEqual([200, null, undefined]);
});
