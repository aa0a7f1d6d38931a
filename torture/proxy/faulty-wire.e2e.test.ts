import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FaultyWire } from './faulty-wire.ts';

/** Answers every piece of data with itself. */
let echo: Server;
let wire: FaultyWire;
let heard = '';
let client: Socket;

beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  wire = await FaultyWire.open();
  wire.leadTo(() => ({ host: '127.0.0.1', port }));
  client = await open();
});

afterEach(async () => {
  await wire.close();
  echo.close();
});

/** A reset is an end like another. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}

async function open(): Promise<Socket> {
  heard = '';
  const socket = connect({ host: '127.0.0.1', port: wire.port });
  socket.on('data', (bytes) => {
    heard += bytes.toString();
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  await vi.waitUntil(() => wire.connections > 0);
  return socket;
}

test('what is sent arrives', async () => {
  client.write('one');
  await vi.waitUntil(() => heard !== '');
  expect(heard).toBe('one');
});

test('W1: what was stalled arrives in its order when the stall is over, and nothing before', async () => {
  wire.stall();
  for (const text of ['a', 'b', 'c']) client.write(text);
  const direct = connect({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port });
  direct.write('x');
  await once(direct, 'data');
  direct.destroy();
  expect(heard).toBe('');
  wire.restore();
  await vi.waitUntil(() => heard === 'abc');
});

test('slow: later, and in order', async () => {
  wire.slow(30);
  const startedAt = performance.now();
  client.write('one');
  client.write('two');
  await vi.waitUntil(() => heard === 'onetwo');
  expect(performance.now() - startedAt).toBeGreaterThan(55); // there and back
});

test('W2: an answer that was lost never comes, and the connection ends with it', async () => {
  wire.loseAnswers();
  client.write('lost');
  client.write(' too');
  const ended = closed(client);
  await vi.waitUntil(() => wire.connections === 1);
  // The echo is known to have answered only by being asked on a connection of its own.
  const direct = connect({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port });
  direct.write('x');
  await once(direct, 'data');
  direct.destroy();
  wire.restore();
  client.write('after');
  await ended;
  expect(heard).toBe('');
});

test('cut: every connection is reset, and a new one passes', async () => {
  const ended = closed(client);
  wire.cut();
  await ended;
  client = await open();
  client.write('again');
  await vi.waitUntil(() => heard !== '');
  expect(heard).toBe('again');
});

test('nobody there: the connection is reset', async () => {
  const empty = await FaultyWire.open();
  const socket = connect({ host: '127.0.0.1', port: empty.port });
  socket.on('error', () => undefined);
  await closed(socket);
  expect(empty.connections).toBe(0);
  await empty.close();
});
