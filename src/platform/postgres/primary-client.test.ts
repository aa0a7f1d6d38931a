import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asFault } from './faults.ts';
import { ReadPool } from './read-pool.ts';
import { Session, statement } from './session.ts';

/** AuthenticationOk and ReadyForQuery of the protocol. */
const WELCOME = Buffer.from('R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I', 'latin1');

/** ErrorResponse of the protocol. */
function fatal(state: string): Buffer {
  const fields = `SFATAL\0VFATAL\0C${state}\0Mterminating connection\0\0`;
  const header = Buffer.alloc(5);
  header.write('E');
  header.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([header, Buffer.from(fields, 'latin1')]);
}

let server: Server;
let url: string;

/** One that is stopped just when it has let somebody in. */
beforeEach(async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([WELCOME, fatal('57P01')])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `postgresql://nobody@127.0.0.1:${(server.address() as AddressInfo).port}/none`;
});
afterEach(() => void server.close());

const ASK = statement('tests.ask', 'select 1');

test('a server that stops right behind its welcome is as one that is away', async () => {
  const reads = new ReadPool({ url, onError: () => undefined, connections: 1 });
  await expect(reads.query('select 1', [])).rejects.toMatchObject({ transient: true });
  await reads.close();
  const session = new Session({ url, name: 'tests' });
  await expect(session.query(ASK, [])).rejects.toMatchObject({ transient: true });
  await session.close();
});

test('a server whose socket has no file is as one that is away', async () => {
  const nowhere = `postgresql://nobody@localhost/none?host=${join(tmpdir(), 'no-such-folder')}`;
  const expected = { name: 'Fault', transient: true, state: undefined };
  const session = new Session({ url: nowhere, name: 'tests' });
  await expect(session.query(ASK, [])).rejects.toMatchObject(expected);
  const client = new Client({ connectionString: nowhere });
  const refusal = await client.connect().catch((error: unknown) => error);
  expect(asFault(refusal)).toMatchObject(expected);
});

test('a server that speaks no TLS is as one that lets nobody in', async () => {
  const session = new Session({ url: `${url}?sslmode=verify-full`, name: 'tests' });
  await expect(session.query(ASK, [])).rejects.toMatchObject({ transient: true, state: undefined });
});
