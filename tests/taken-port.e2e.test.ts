import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LastroHome } from './lastro-home.ts';
import { runLastro } from './lastro-process.ts';
import { dumpTables } from './redelivery.ts';

let home: LastroHome;
let squatter: Server;

beforeAll(async () => {
  home = await LastroHome.open();
  squatter = createServer();
  await new Promise<void>((resolve) => {
    squatter.listen(0, '127.0.0.1', resolve);
  });
});

afterAll(async () => {
  await new Promise((resolve) => {
    squatter.close(resolve);
  });
  await home.remove();
});

test('on a port that another program has, the start says which setting to change, and has begun nothing', async () => {
  const before = await dumpTables(home.database.url);
  const { port } = squatter.address() as AddressInfo;
  await expect(home.start({ PORT: String(port) })).rejects.toThrow(
    `lastro: port ${port} of 127.0.0.1 is taken by another program: end that one, or set LASTRO_PORT to a free port`,
  );
  expect(await dumpTables(home.database.url)).toEqual(before);
});

test('on an address that this machine does not have, it says so', async () => {
  await runLastro(['keys', 'create', '--tenant', 'acme'], settings());
  // RFC 5737: an address for documents, of nobody.
  await expect(home.start({ HOST: '192.0.2.1' })).rejects.toThrow(
    'lastro: 192.0.2.1 is no address of this machine: set LASTRO_HOST to one',
  );
});

function settings() {
  return { DATABASE_URL: home.database.url, DATA_DIR: home.folder };
}
