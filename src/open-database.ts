/** A database that is up, durable, migrated and prepared: the embedded one, or the one LASTRO_DATABASE_URL names. */
import { Fault } from '#kernel/fault.ts';
import { prepareInstallation } from '#platform/log/installation.ts';
import { openEmbeddedPostgres } from '#platform/postgres/embedded/embedded-postgres.ts';
import { migrate } from '#platform/postgres/migrate.ts';
import { unmetRequirements } from '#platform/postgres/server-requirements.ts';
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

export async function connectDatabase({
  databaseUrl,
  ...embedded
}: DatabaseOptions): Promise<OpenedDatabase> {
  if (databaseUrl !== undefined) return { url: databaseUrl, joined: false, close: () => Promise.resolve() };
  return openEmbeddedPostgres(embedded);
}

export async function openDatabase(
  options: DatabaseOptions & { readonly partitions: number },
): Promise<OpenedDatabase> {
  const database = await connectDatabase(options);
  try {
    const unmet = await unmetRequirements(database.url);
    if (unmet.length > 0) throw new Fault(unmet.join('\n'), { transient: false });
    const applied = await migrate(database.url, MIGRATED_SCHEMAS);
    if (applied.length > 0) options.onProgress(`applied ${applied.length} migrations`);
    await prepareInstallation(database.url, TOPOLOGY, options.partitions);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}
