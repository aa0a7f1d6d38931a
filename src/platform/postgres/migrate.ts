import { setTimeout as delay } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import { Fault } from '#kernel/fault.ts';
import { loadMigrationFiles, type MigrationFile, type MigrationSource } from './migration-files.ts';

/**
 * Brings a database to the state this program was written for: plain SQL files, forward only, a schema per service.
 *
 * M1: each file is applied once, in order, and recorded in the commit that applies it (`-- no-transaction` excepted).
 * M2: processes that migrate at once take turns.
 * M3: nothing is applied to a database whose history differs from the files: changed, unknown or skipped ones.
 *
 * It refuses to go back, and to guess.
 */
export interface AppliedMigration {
  readonly schema: string;
  readonly name: string;
  readonly durationMs: number;
}

export interface MigrateOptions {
  /** Called after each commit. */
  readonly onApplied?: (migration: AppliedMigration) => void;
  /** How long a statement may wait for a lock, and with it hold up the traffic queued behind it. */
  readonly lockTimeoutMs?: number;
}

interface Recorded {
  readonly schema: string;
  readonly name: string;
  readonly checksum: string;
}

/** Any number will do, as long as no other advisory lock uses it: the first eight bytes of "lastro.m" as an integer. */
const MIGRATION_LOCK = '7809650172810440301';
const TURN_TIMEOUT_MS = 600_000;
const TURN_POLL_MS = 100;
const LOCK_TIMEOUT_MS = 5_000;

/**
 * When everything is applied this costs a connection and one query.
 *
 * @param sources in the order in which their schemas depend on each other
 * @returns what was applied
 */
export async function migrate(
  connectionString: string,
  sources: readonly MigrationSource[],
  options: MigrateOptions = {},
): Promise<AppliedMigration[]> {
  const files = loadMigrationFiles(sources);
  const client = new Client({ connectionString, application_name: 'lastro migrate' });
  client.on('error', () => undefined); // reported by the query under way
  await client.connect();
  try {
    if (listPending(files, await loadRecorded(client)).length === 0) return [];
    return await applyInTurn(client, files, options);
  } finally {
    await client.end();
  }
}

/** How many files `migrate` would apply, and how many are. Throws what it would refuse. */
export async function pendingMigrations(
  connectionString: string,
  sources: readonly MigrationSource[],
): Promise<{ readonly pending: number; readonly applied: number }> {
  const files = loadMigrationFiles(sources);
  const client = new Client({ connectionString, application_name: 'lastro migrate' });
  client.on('error', () => undefined); // reported by the query under way
  await client.connect();
  try {
    const pending = listPending(files, await loadRecorded(client)).length;
    return { pending, applied: files.length - pending };
  } finally {
    await client.end();
  }
}

async function applyInTurn(
  client: Client,
  files: readonly MigrationFile[],
  options: MigrateOptions,
): Promise<AppliedMigration[]> {
  await waitForTurn(client); // M2; ends with the connection
  await client.query('create schema if not exists lastro');
  await client.query(
    `create table if not exists lastro.lastro_migrations (
       schema text not null,
       name text not null,
       checksum text not null,
       applied_at timestamptz not null default now(),
       primary key (schema, name)
     )`,
  );
  await client.query(
    `set statement_timeout = 0; set lock_timeout = ${options.lockTimeoutMs ?? LOCK_TIMEOUT_MS}`,
  );
  const applied: AppliedMigration[] = [];
  for (const file of listPending(files, await loadRecorded(client))) {
    const startedAtMs = performance.now();
    await applyFile(client, file);
    const migration = { schema: file.schema, name: file.name, durationMs: performance.now() - startedAtMs };
    applied.push(migration);
    options.onApplied?.(migration);
  }
  return applied;
}

/**
 * Asks again and again instead of waiting in the database: a session that waits inside a statement has a snapshot, and
 * the holder's `create index concurrently` waits for every older snapshot. Each would wait for the other.
 */
async function waitForTurn(client: Client): Promise<void> {
  const deadline = performance.now() + TURN_TIMEOUT_MS;
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
      MIGRATION_LOCK,
    ]);
    if (rows[0]?.locked) return;
    if (performance.now() > deadline) {
      throw new Fault('another process has been migrating this database for ten minutes', {
        transient: true,
      });
    }
    await delay(TURN_POLL_MS);
  }
}

/** Empty for a database that was never migrated. */
async function loadRecorded(client: Client): Promise<Recorded[]> {
  try {
    const { rows } = await client.query<Recorded>(
      'select schema, name, checksum from lastro.lastro_migrations order by schema, name',
    );
    return rows;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === '42P01') return []; // undefined_table
    throw error;
  }
}

/** M3. Schemas without files here belong to programs that are none of our business. */
function listPending(files: readonly MigrationFile[], recorded: readonly Recorded[]): MigrationFile[] {
  const keyOf = ({ schema, name }: Recorded | MigrationFile) => `${schema}/${name}`;
  const known = new Map(files.map((file) => [keyOf(file), file]));
  const done = new Map(recorded.map((record) => [keyOf(record), record]));
  const schemas = new Set(files.map((file) => file.schema));
  for (const record of recorded) {
    if (schemas.has(record.schema)) refuseOtherHistory(keyOf(record), record, known.get(keyOf(record)));
  }
  const pending = files.filter((file) => !done.has(keyOf(file)));
  for (const file of pending) refuseSkipped(file, recorded);
  return pending;
}

function refuseOtherHistory(key: string, record: Recorded, file: MigrationFile | undefined): void {
  if (file === undefined) {
    throw differs(
      `the database is newer than this program, which does not know its migration ${key}: start a version that does`,
    );
  }
  if (file.checksum !== record.checksum) {
    throw differs(
      `migration ${key} was changed after it was applied: restore it, and put the change into a new file`,
    );
  }
}

/** Applied now, it would meet another schema than on a new database. */
function refuseSkipped(file: MigrationFile, recorded: readonly Recorded[]): void {
  const later = recorded.find(({ schema, name }) => schema === file.schema && name > file.name);
  if (later === undefined) return;
  throw differs(
    `migration ${file.schema}/${file.name} comes before ${later.name}, which is applied already: give it the next number`,
  );
}

function differs(message: string): Fault {
  return new Fault(message, { transient: false });
}

async function applyFile(client: Client, file: MigrationFile): Promise<void> {
  try {
    await client.query(`create schema if not exists "${file.schema}"`);
    await (file.transactional ? applyInTransaction(client, file) : applyAlone(client, file));
  } catch (cause) {
    throw failed(file, cause);
  }
}

/** A failure ends the connection, and with it the transaction. */
async function applyInTransaction(client: Client, file: MigrationFile): Promise<void> {
  await client.query(`begin; set local search_path to "${file.schema}"`);
  await client.query(file.sql);
  await recordApplied(client, file);
  await client.query('commit');
}

/** After a crash between the two it is repeated: the statement has to allow that (`if not exists`). */
async function applyAlone(client: Client, file: MigrationFile): Promise<void> {
  await client.query(`set search_path to "${file.schema}"`);
  await client.query(file.sql);
  await client.query('reset search_path');
  await recordApplied(client, file);
}

async function recordApplied(client: Client, { schema, name, checksum }: MigrationFile): Promise<void> {
  await client.query('insert into lastro.lastro_migrations (schema, name, checksum) values ($1, $2, $3)', [
    schema,
    name,
    checksum,
  ]);
}

/** A lock that was not to be had in time is worth another try; wrong SQL is not. */
function failed(file: MigrationFile, cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const line = lineOf(file, cause);
  const place = `${file.schema}/${file.name}${line === undefined ? '' : `, line ${line}`}`;
  const transient = cause instanceof DatabaseError && (cause.code === '55P03' || cause.code === '40P01');
  return new Fault(`migration ${place} failed: ${reason}`, { transient, cause });
}

/** PostgreSQL counts characters from 1, over the whole text it was sent. */
function lineOf(file: MigrationFile, cause: unknown): number | undefined {
  const position = cause instanceof DatabaseError ? Number(cause.position) : Number.NaN;
  return Number.isNaN(position) ? undefined : file.sql.slice(0, position).split('\n').length;
}
