import { createHash, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';
import { prepareInstallation } from '#platform/log/installation.ts';
import { migrate } from '#platform/postgres/migrate.ts';
import { loadMigrationFiles, type MigrationSource } from '#platform/postgres/migration-files.ts';
import { MIGRATED_SCHEMAS, TOPOLOGY } from '../src/topology.ts';

export interface TestDatabase {
  /** A superuser's, on a server of the whole test run. */
  readonly url: string;
  /** Also when connections are still open. */
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** Applied before the test sees the database. */
  readonly migrations?: readonly MigrationSource[];
}

/** A database of its own, as migrated as asked: cloned from a template that is made once per set of migrations and run. */
export async function createTestDatabase({
  migrations = [],
}: TestDatabaseOptions = {}): Promise<TestDatabase> {
  return withAdmin(async (admin) =>
    copyOf(admin, migrations.length === 0 ? 'template0' : await ensureTemplate(admin, migrations)),
  );
}

/** With the tables of the whole product. */
export function createProductDatabase(): Promise<TestDatabase> {
  return createTestDatabase({ migrations: MIGRATED_SCHEMAS });
}

/** The same, as a process finds it that starts there: with its heads, positions and role. */
export async function createPreparedDatabase(partitions = 4): Promise<TestDatabase> {
  const database = await createProductDatabase();
  await prepareInstallation(database.url, TOPOLOGY, partitions);
  return database;
}

/** A copy of a database as it is now; nobody may be connected to it. */
export function cloneTestDatabase(source: TestDatabase): Promise<TestDatabase> {
  return withAdmin((admin) => copyOf(admin, new URL(source.url).pathname.slice(1)));
}

async function copyOf(admin: Client, template: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  // Of a copy's cost two thirds were compressing its pages for the WAL.
  await admin.query('set wal_compression = off');
  await admin.query(`create database ${name} template ${template} strategy wal_log`);
  return { url: urlOf(name), drop: () => withAdmin((owner) => dropDatabase(owner, name)) };
}

/** Test files run in several processes: the first one makes the template, the others wait for it. */
async function ensureTemplate(admin: Client, migrations: readonly MigrationSource[]): Promise<string> {
  const name = `template_${fingerprint(migrations)}`;
  await admin.query('select pg_advisory_lock(hashtext($1))', [name]);
  try {
    const { rows } = await admin.query('select from pg_database where datname = $1 and datistemplate', [
      name,
    ]);
    if (rows.length === 0) await makeTemplate(admin, name, migrations);
    return name;
  } finally {
    await admin.query('select pg_advisory_unlock(hashtext($1))', [name]);
  }
}

/** It is called a template when it is finished; one that was left half made is made again. */
async function makeTemplate(
  admin: Client,
  name: string,
  migrations: readonly MigrationSource[],
): Promise<void> {
  await dropDatabase(admin, name);
  await admin.query(`create database ${name} template template0 strategy wal_log`);
  await migrate(urlOf(name), migrations);
  await admin.query(`alter database ${name} is_template true`);
}

function fingerprint(migrations: readonly MigrationSource[]): string {
  const files = loadMigrationFiles(migrations).map(({ schema, name, checksum }) => [schema, name, checksum]);
  return createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 32);
}

async function dropDatabase(admin: Client, name: string): Promise<void> {
  await admin.query(`drop database if exists ${name} with (force)`);
}

async function withAdmin<Result>(work: (admin: Client) => Promise<Result>): Promise<Result> {
  const admin = new Client({ connectionString: serverUrl() });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

function urlOf(database: string): string {
  const url = new URL(serverUrl());
  url.pathname = `/${database}`;
  return url.toString();
}

/** Of the files that run at a time, each has a number of its own, from 1. */
function serverUrl(): string {
  const urls = inject('databaseUrls');
  return urls[(Number(process.env['VITEST_POOL_ID']) - 1) % urls.length] ?? '';
}
