/** What commands have in common that work on one tenant of an installation, beside running processes. */
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { openDatabase } from '../open-database.ts';
import { fail, readEnvironment, say } from './environment.ts';
import { keyTenant } from './key-tenant.ts';

/** Undefined: the mode's own (`keyTenant`). */
export interface TenantOption {
  readonly tenant?: string;
}

export interface Installation {
  readonly url: string;
  readonly pool: ReadPool;
  readonly tenant: string;
}

/** The database of the environment, migrated. A failure ends the process (`fail`). */
export async function onInstallation(
  options: TenantOption,
  work: (installation: Installation) => Promise<void>,
): Promise<void> {
  const { settings, dataDir } = readEnvironment();
  try {
    const { databaseUrl, partitions, mode } = settings;
    const tenant = keyTenant(options.tenant, mode);
    const database = await openDatabase({ dataDir, databaseUrl, partitions, onProgress: say });
    const pool = new ReadPool({ url: database.url, onError: fail });
    try {
      await work({ url: database.url, pool, tenant });
    } finally {
      await pool.close();
      await database.close();
    }
  } catch (error) {
    fail(error);
  }
}
