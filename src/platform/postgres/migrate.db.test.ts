import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../tests/database.ts';
import { migrate } from './migrate.ts';
import type { MigrationSource } from './migration-files.ts';

let folder: string;
let database: TestDatabase;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lastro-migrations-'));
  database = await createTestDatabase();
});

afterEach(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes a service's files, replacing those of the same name. */
function given(schema: string, files: Readonly<Record<string, string>>): MigrationSource {
  const directory = join(folder, schema);
  mkdirSync(directory, { recursive: true });
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(directory, name), sql);
  return { schema, directory };
}

async function query(sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const listTables = () =>
  query(
    `select schemaname || '.' || tablename as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  );

const listRecorded = async () =>
  (await query(`select schema || '/' || name as file from lastro.lastro_migrations order by applied_at`)).map(
    ({ file }) => file,
  );

test('files are applied in order, each to the schema of its service, and the order of services is kept', async () => {
  const ledger = given('ledger', {
    '0002-balance.sql': 'alter table accounts add balance bigint not null default 0;',
    '0001-accounts.sql': 'create table accounts (id text primary key);',
  });
  const payments = given('payments', {
    '0001-payments.sql': 'create table payments (wallet text references ledger.accounts (id));',
    'README.md': 'not a migration',
  });
  expect(await listTables()).toEqual([]);
  const seen: string[] = [];
  await migrate(database.url, [ledger, payments], {
    onApplied: ({ schema, name }) => seen.push(`${schema}/${name}`),
  });
  expect(seen).toEqual(['ledger/0001-accounts.sql', 'ledger/0002-balance.sql', 'payments/0001-payments.sql']);
  expect(await listRecorded()).toEqual(seen);
  expect((await listTables()).map(({ name }) => name)).toEqual([
    'lastro.lastro_migrations',
    'ledger.accounts',
    'payments.payments',
  ]);
});

test('a directory may be a URL', async () => {
  const { schema, directory } = given('ledger', { '0001-accounts.sql': 'create table accounts (id text)' });
  await migrate(database.url, [{ schema, directory: pathToFileURL(String(directory)) }]);
  expect(await listRecorded()).toEqual(['ledger/0001-accounts.sql']);
});

test('M1: what is applied is not applied again, and a later file finds the data of before', async () => {
  const first = given('ledger', {
    '0001-accounts.sql': `create table accounts (id text); insert into accounts values ('a')`,
  });
  expect(await migrate(database.url, [first])).toHaveLength(1);
  expect(await migrate(database.url, [first])).toEqual([]);
  expect(await query('select * from ledger.accounts')).toEqual([{ id: 'a' }]);
  const second = given('ledger', {
    '0002-name.sql': `alter table accounts add name text not null default 'unnamed'`,
  });
  expect(await migrate(database.url, [second])).toMatchObject([{ name: '0002-name.sql' }]);
  expect(await query('select * from ledger.accounts')).toEqual([{ id: 'a', name: 'unnamed' }]);
});

test('when everything is applied it costs one query', async () => {
  const source = given('ledger', { '0001-accounts.sql': 'create table accounts (id text)' });
  await migrate(database.url, [source]);
  const sent = vi.spyOn(Client.prototype, 'query');
  await migrate(database.url, [source]);
  expect(sent).toHaveBeenCalledOnce();
  sent.mockRestore();
});

test('M1: a file that fails leaves nothing behind, keeps what came before it, and is named with its line', async () => {
  const source = given('ledger', {
    '0001-accounts.sql': 'create table accounts (id text)',
    '0002-broken.sql': 'create table half (id text);\n\ncreate tabel rest ();',
  });
  await expect(migrate(database.url, [source])).rejects.toThrow(
    'migration ledger/0002-broken.sql, line 3 failed: syntax error at or near "tabel"',
  );
  expect(await listRecorded()).toEqual(['ledger/0001-accounts.sql']);
  expect((await listTables()).map(({ name }) => name)).not.toContain('ledger.half');
  given('ledger', { '0002-broken.sql': 'create table half (id text)' });
  expect(await migrate(database.url, [source])).toMatchObject([{ name: '0002-broken.sql' }]);
});

test('M2: processes that migrate at once apply each file once', async () => {
  const source = given('ledger', {
    '0001-accounts.sql': 'create table accounts (id text)',
    '0002-index.sql':
      '-- no-transaction\ncreate index concurrently if not exists accounts_by_id on accounts (id)',
    '0003-row.sql': `insert into accounts values ('once')`,
  });
  const applied = await Promise.all([1, 2, 3, 4].map(() => migrate(database.url, [source])));
  expect(applied.filter((each) => each.length > 0)).toMatchObject([{ length: 3 }]);
  expect(await query('select * from ledger.accounts')).toEqual([{ id: 'once' }]);
});

test('M3: a file that was changed after it was applied is named, and nothing more is applied', async () => {
  const source = given('ledger', { '0001-accounts.sql': 'create table accounts (id text)' });
  await migrate(database.url, [source]);
  given('ledger', {
    '0001-accounts.sql': 'create table accounts (id uuid)',
    '0002-more.sql': 'create table more (id text)',
  });
  await expect(migrate(database.url, [source])).rejects.toThrow(
    /ledger\/0001-accounts\.sql was changed after it was applied/,
  );
  expect(await listRecorded()).toEqual(['ledger/0001-accounts.sql']);
});

test('M3: line ends are no change', async () => {
  const source = given('ledger', { '0001-accounts.sql': 'create table accounts\n(id text)\n' });
  await migrate(database.url, [source]);
  given('ledger', { '0001-accounts.sql': 'create table accounts\r\n(id text)\r\n' });
  expect(await migrate(database.url, [source])).toEqual([]);
});

test('M3: a database that is newer than the program is left alone', async () => {
  const source = given('ledger', {
    '0001-accounts.sql': 'create table accounts (id text)',
    '0002-later.sql': 'create table later (id text)',
  });
  await migrate(database.url, [source]);
  rmSync(join(folder, 'ledger', '0002-later.sql'));
  await expect(migrate(database.url, [source])).rejects.toThrow(
    /database is newer than this program.* ledger\/0002-later\.sql/,
  );
});

test('M3: a file that comes before an applied one is refused', async () => {
  const source = given('ledger', { '0002-second.sql': 'create table second (id text)' });
  await migrate(database.url, [source]);
  given('ledger', { '0001-first.sql': 'create table first (id text)' });
  await expect(migrate(database.url, [source])).rejects.toThrow(
    /ledger\/0001-first\.sql comes before 0002-second\.sql, which is applied already/,
  );
});

test('schemas that the program has no files for are not its business', async () => {
  const ledger = given('ledger', { '0001-accounts.sql': 'create table accounts (id text)' });
  const payments = given('payments', { '0001-payments.sql': 'create table payments (id text)' });
  await migrate(database.url, [ledger]);
  expect(await migrate(database.url, [payments])).toMatchObject([{ schema: 'payments' }]);
});

test('"-- no-transaction" runs what refuses to run in one, in the schema of its service', async () => {
  const source = given('ledger', {
    '0001-accounts.sql': 'create table accounts (id text)',
    '0002-index.sql':
      '-- no-transaction\ncreate index concurrently if not exists accounts_by_id on accounts (id)',
  });
  await migrate(database.url, [source]);
  expect(await query(`select indexname from pg_indexes where schemaname = 'ledger'`)).toEqual([
    { indexname: 'accounts_by_id' },
  ]);
  const inside = given('payments', { '0001-index.sql': 'create index concurrently on ledger.accounts (id)' });
  await expect(migrate(database.url, [inside])).rejects.toThrow(/cannot run inside a transaction block/);
});

test('a lock that traffic holds ends the migration instead of holding up the traffic behind it', async () => {
  const source = given('ledger', { '0001-accounts.sql': 'create table accounts (id text)' });
  await migrate(database.url, [source]);
  given('ledger', { '0002-alter.sql': 'alter table accounts add name text' });
  const traffic = new Client({ connectionString: database.url });
  await traffic.connect();
  await traffic.query('begin; lock table ledger.accounts in access share mode');
  await expect(migrate(database.url, [source], { lockTimeoutMs: 50 })).rejects.toMatchObject({
    transient: true,
    message: expect.stringContaining('lock timeout') as string,
  });
  await traffic.query('commit');
  await traffic.end();
  expect(await migrate(database.url, [source])).toHaveLength(1);
});

test.each([
  ['1-short.sql', /ledger\/1-short\.sql is not named NNNN-name\.sql/],
  ['0001-twin.sql', /ledger\/0001-twin\.sql has a number that is taken/],
])('%s is refused before anything is applied', async (name, reason) => {
  const source = given('ledger', {
    '0001-accounts.sql': 'create table accounts (id text)',
    [name]: 'select 1',
  });
  await expect(migrate(database.url, [source])).rejects.toThrow(reason);
  expect(await listTables()).toEqual([]);
});
