import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MigrationSource } from '#platform/postgres/migration-files.ts';
import { createTestDatabase } from './database.ts';

let directory: string;
let migrations: MigrationSource[];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'lastro-template-'));
  writeFileSync(join(directory, '0001-notes.sql'), 'create table notes (text text)');
  migrations = [{ schema: 'notebook', directory }];
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

test('databases made at once are migrated and know nothing of each other', async () => {
  const [one, other] = await Promise.all([
    createTestDatabase({ migrations }),
    createTestDatabase({ migrations }),
  ]);
  await query(one.url, `insert into notebook.notes values ('mine')`);
  expect(await query(one.url, 'select text from notebook.notes')).toEqual([{ text: 'mine' }]);
  expect(await query(other.url, 'select text from notebook.notes')).toEqual([]);
  await Promise.all([one.drop(), other.drop()]);
});

test('a changed migration makes another template', async () => {
  const before = await createTestDatabase({ migrations });
  writeFileSync(join(directory, '0002-more.sql'), 'alter table notes add author text');
  const after = await createTestDatabase({ migrations });
  const columns = `select count(*)::int as count from information_schema.columns where table_schema = 'notebook'`;
  expect(await query(before.url, columns)).toEqual([{ count: 1 }]);
  expect(await query(after.url, columns)).toEqual([{ count: 2 }]);
  await Promise.all([before.drop(), after.drop()]);
});

test('it is dropped although a connection is open', async () => {
  const { url, drop } = await createTestDatabase();
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined); // the server ends it
  await client.connect();
  await drop();
  await expect(query(url, 'select 1')).rejects.toThrow(/does not exist/);
  await client.end();
});
