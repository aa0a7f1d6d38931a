import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MIGRATED_SCHEMAS } from '../src/topology.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { startLastroProcess } from './lastro-process.ts';

let folder: string;
let database: TestDatabase;
let squatter: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lastro-port-'));
  database = await createTestDatabase({ migrations: MIGRATED_SCHEMAS });
  squatter = createServer();
  await new Promise<void>((resolve) => {
    squatter.listen(0, '127.0.0.1', resolve);
  });
});

afterAll(async () => {
  await new Promise((resolve) => {
    squatter.close(resolve);
  });
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

test('on a port that another program has, the start ends at once and says which setting to change', async () => {
  const { port } = squatter.address() as AddressInfo;
  const start = startLastroProcess({
    DATABASE_URL: database.url,
    DATA_DIR: folder,
    PORT: String(port),
  });
  await expect(start).rejects.toThrow(
    `lastro: port ${port} of 127.0.0.1 is taken by another program: end that one, or set LASTRO_PORT to a free port`,
  );
});
