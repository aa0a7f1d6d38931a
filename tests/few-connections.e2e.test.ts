/** A server of the operator's own that does not grant as many connections as the processes keep. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SERVICE_ROLE } from '#platform/postgres/session.ts';
import { createPreparedDatabase, createTestDatabase, type TestDatabase } from './database.ts';
import { startLastroProcess } from './lastro-process.ts';

/** Enough to look at the database with, one at a time, and not for the sessions of a process. */
const GRANTED = 3;

let database: TestDatabase;
let folder: string;
let user: string;

beforeAll(async () => {
  // It makes the role of the services, which belongs to the server.
  const prepared = await createPreparedDatabase();
  await prepared.drop();
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'lastro-few-'));
  const name = new URL(database.url).pathname.slice(1);
  user = `user_of_${name}`;
  await asAdministrator(
    `create role ${user} login password 'few' connection limit ${GRANTED};
     grant ${SERVICE_ROLE} to ${user};
     alter database ${name} owner to ${user}`,
  );
});
afterAll(async () => {
  await asAdministrator(
    `reassign owned by ${user} to current_user; drop owned by ${user}; drop role ${user}`,
  );
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function asAdministrator(sql: string): Promise<void> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

test('a start that is granted too few connections says which setting of the server is too low', async () => {
  const url = new URL(database.url);
  url.username = user;
  url.password = 'few';
  const starting = startLastroProcess({ DATABASE_URL: url.href, DATA_DIR: folder, SERVICES: 'ledger' });
  await expect(starting).rejects.toThrow(
    /that LASTRO_DATABASE_URL names cannot be used: too many connections .*; raise max_connections/,
  );
});
