/** What becomes of requests over real sockets: which of them are told never to have left. */

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { GatewayRequest } from './gateway-protocol.ts';
import { type HttpSender, httpSender, NotSent } from './http-sender.ts';

const CHARGE: GatewayRequest = { method: 'POST', path: '/charges', headers: {}, body: '{}' };
const TIMEOUT_MS = 200;
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';

const servers: Server[] = [];
const senders: HttpSender[] = [];

afterEach(async () => {
  await Promise.all(senders.splice(0).map((sender) => sender.close()));
  for (const server of servers.splice(0)) server.close();
});

/** The port of a server that does so with what it is sent. */
async function serve(onRequest: (socket: Socket, request: number) => void): Promise<number> {
  let requests = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => onRequest(socket, ++requests));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A port at which nobody listens. */
async function closedPort(): Promise<number> {
  const port = await serve(() => undefined);
  const [server] = servers.splice(-1);
  await new Promise((resolve) => server?.close(resolve));
  return port;
}

function senderTo(url: string): HttpSender {
  const sender = httpSender({
    name: 'alfa',
    url,
    apiKey: 'key',
    webhookSecret: '',
    timeoutMs: TIMEOUT_MS,
    concurrency: 1,
    canVoid: true,
    settlesWithinMs: 0,
  });
  senders.push(sender);
  return sender;
}

/** The failure of a charge: whether it never left. */
async function failureOf(sender: HttpSender, signal = new AbortController().signal): Promise<unknown> {
  return sender.send(CHARGE, signal).then(
    ({ status }) => new Error(`it was answered: ${status}`),
    (error: unknown) => error,
  );
}

describe('never left', () => {
  test('to a port at which nobody listens, by address and by name', async () => {
    const port = await closedPort();
    for (const host of ['127.0.0.1', 'localhost'])
      expect(await failureOf(senderTo(`http://${host}:${port}`))).toBeInstanceOf(NotSent);
  });

  test('to a name that nobody has', async () => {
    expect(await failureOf(senderTo('http://nobody.invalid'))).toBeInstanceOf(NotSent);
  });

  test('to one that does not make a connection before its caller gives it up', async () => {
    // It takes the bytes of the TLS handshake, and is silent.
    const port = await serve(() => undefined);
    const failure = await failureOf(senderTo(`https://127.0.0.1:${port}`), AbortSignal.timeout(TIMEOUT_MS));
    expect(failure).toBeInstanceOf(NotSent);
  });
});

describe('may have arrived', () => {
  test.each<[string, (socket: Socket) => void]>([
    ['that was reset after it', (socket) => void socket.resetAndDestroy()],
    ['that was closed before the answer', (socket) => void socket.end()],
    ['that was cut in the answer', (socket) => void socket.end(OK.slice(0, -1))],
    ['that was answered by no HTTP', (socket) => void socket.end('what?\r\n\r\n')],
  ])('over a connection %s', async (_what, act) => {
    const failure = await failureOf(senderTo(`http://127.0.0.1:${await serve(act)}`));
    expect(failure).toBeInstanceOf(Error);
    expect(failure).not.toBeInstanceOf(NotSent);
    expect(String(failure)).not.toContain('it was answered');
  });

  test('over a connection that had answered before, and was reset', async () => {
    const port = await serve((socket, request) =>
      request === 1 ? void socket.write(OK) : void socket.resetAndDestroy(),
    );
    const sender = senderTo(`http://127.0.0.1:${port}`);
    expect((await sender.send(CHARGE, new AbortController().signal)).status).toBe(200);
    expect(await failureOf(sender)).not.toBeInstanceOf(NotSent);
  });

  test('when its caller gives it up', async () => {
    const caller = new AbortController();
    const port = await serve(() => caller.abort());
    expect(await failureOf(senderTo(`http://127.0.0.1:${port}`), caller.signal)).not.toBeInstanceOf(NotSent);
  });
});
