/** A database that is up, durable, migrated and prepared: the embedded one, or the one LASTRO_DATABASE_URL names. */
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '#kernel/fault.ts';
import { prepareInstallation } from '#platform/log/installation.ts';
import { hasCluster } from '#platform/postgres/embedded/data-folder.ts';
import { openEmbeddedPostgres } from '#platform/postgres/embedded/embedded-postgres.ts';
import { asFault, DatabaseFault, isTransient } from '#platform/postgres/faults.ts';
import { migrate, pendingMigrations } from '#platform/postgres/migrate.ts';
import { requireOwnSessions, unmetRequirements } from '#platform/postgres/server-requirements.ts';
import type { ServerReport } from '#platform/processes/keep-running.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import { MIGRATED_SCHEMAS, TOPOLOGY } from './topology.ts';

export interface OpenedDatabase {
  /** The owner's. */
  readonly url: string;
  /** Whether another process on this machine had the embedded server running; false for a server of the user's own. */
  readonly joined: boolean;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  readonly onProgress: (message: string) => void;
  /** If given, the embedded server is started again whenever it ends while it is used; see `logServer`. */
  readonly keepRunning?: ServerReport;
}

/** What is told of the embedded server, as log lines. */
export function logServer(logger: Logger): ServerReport {
  return {
    ended: () => logger.error('the embedded PostgreSQL has ended: it is started again'),
    restarted: () => logger.warn('the embedded PostgreSQL runs again'),
    notRestarted: (error, nextAttemptMs) =>
      logger.error(
        { err: error, next_attempt_ms: nextAttemptMs },
        'the embedded PostgreSQL could not be started again',
      ),
  };
}

async function connectDatabase({ databaseUrl, ...embedded }: DatabaseOptions): Promise<OpenedDatabase> {
  if (databaseUrl !== undefined) return { url: databaseUrl, joined: false, close: () => Promise.resolve() };
  return openEmbeddedPostgres(embedded);
}

export async function openDatabase(
  options: DatabaseOptions & { readonly partitions: number },
): Promise<OpenedDatabase> {
  return usable(options, (url) => untilPrepared(url, options));
}

/** For work on what is there: makes and changes nothing, and refuses a place where this version has not run. */
export async function openInstallation(options: DatabaseOptions): Promise<OpenedDatabase> {
  const { dataDir, databaseUrl } = options;
  if (databaseUrl === undefined && !hasCluster(dataDir))
    throw new Fault(`there is no database in ${dataDir}: ./lastro start makes one`, { transient: false });
  return usable(options, refuseUnmigrated);
}

async function refuseUnmigrated(url: string): Promise<void> {
  const { pending, applied } = await pendingMigrations(url, MIGRATED_SCHEMAS);
  if (pending === 0) return;
  const fact =
    applied === 0 ? 'Lastro has never run on this database' : 'this database is older than this program';
  throw new Fault(`${fact}: ./lastro migrate brings it to this version`, { transient: false });
}

async function usable(
  options: DatabaseOptions,
  check: (url: string) => Promise<void>,
): Promise<OpenedDatabase> {
  const database = await connectDatabase(options);
  try {
    await check(database.url);
    return database;
  } catch (error) {
    await database.close();
    throw options.databaseUrl === undefined ? error : namingTheSetting(error);
  }
}

/** By SQLSTATE: protocol_violation, as PgBouncer has it, insufficient_privilege, too_many_connections. */
const REMEDIES: Readonly<Record<string, string>> = {
  '08P01': 'connect to the server itself, not through a pooler',
  '42501': 'its user has to own the database',
  '53300':
    'raise max_connections, or the limit of its user: a process of one service keeps up to 20 connections, one of all services some 60',
};

/** What the server or the way to it says does not tell which setting is to be looked at. */
export function namingTheSetting(error: unknown): unknown {
  const fault = asFault(error);
  if (!(fault instanceof DatabaseFault)) return error;
  const remedy = REMEDIES[fault.state ?? ''];
  const message = `the database that LASTRO_DATABASE_URL names cannot be used: ${fault.message}${remedy === undefined ? '' : `; ${remedy}`}`;
  return new Fault(message, { transient: fault.transient, cause: error });
}

/**
 * A server that is just starting, or recovers, is there within seconds. Who started us would only begin from the start again,
 * later each time.
 */
const DATABASE_WITHIN_MS = 15_000;
const ASK_AGAIN_MS = 250;

type Preparation = Parameters<typeof openDatabase>[0];

async function untilPrepared(url: string, options: Preparation): Promise<void> {
  const endsAt = performance.now() + DATABASE_WITHIN_MS;
  for (let isFirst = true; ; isFirst = false) {
    try {
      await prepare(url, options);
      return;
    } catch (error) {
      const fault = asFault(error);
      if (!isTransient(fault) || performance.now() > endsAt) throw error;
      if (isFirst) options.onProgress(`waiting for the database: ${fault.message}`);
      await delay(ASK_AGAIN_MS);
    }
  }
}

/** Every step finds what an earlier try has done. */
async function prepare(url: string, { partitions, onProgress }: Preparation): Promise<void> {
  const unmet = await unmetRequirements(url);
  if (unmet.length > 0) throw new Fault(unmet.join('\n'), { transient: false });
  const applied = await migrate(url, MIGRATED_SCHEMAS);
  if (applied.length > 0) onProgress(`applied ${applied.length} migrations`);
  await prepareInstallation(url, TOPOLOGY, partitions);
  await requireOwnSessions(url);
}
