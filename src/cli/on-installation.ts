/** What commands have in common that work on one tenant of an installation, beside running processes. */
import type { Settings } from '#platform/config/settings.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { openDatabase } from '../open-database.ts';
import { workOn } from './break-off.ts';
import { fail, readEnvironment, say } from './environment.ts';
import { keyTenant } from './key-tenant.ts';

/** Undefined: the mode's own (`keyTenant`). */
export interface TenantOption {
  readonly tenant?: string;
}

export interface OpenedPool {
  readonly url: string;
  readonly pool: ReadPool;
}

export interface Installation extends OpenedPool {
  readonly tenant: string;
}

/** The database of the environment, migrated. A failure ends the process (`fail`). */
export function onInstallation(
  options: TenantOption,
  work: (installation: Installation) => Promise<void>,
): Promise<void> {
  return onPool((opened, { mode }) => work({ ...opened, tenant: keyTenant(options.tenant, mode) }));
}

/** The same for commands about all tenants. */
export async function onPool(work: (opened: OpenedPool, settings: Settings) => Promise<void>): Promise<void> {
  const { settings, dataDir } = readEnvironment();
  try {
    const { databaseUrl, partitions } = settings;
    const opening = openDatabase({ dataDir, databaseUrl, partitions, onProgress: say });
    await workOn(opening, async ({ url }, onLost) => {
      const pool = new ReadPool({ url, onError: onLost });
      try {
        await work({ url, pool }, settings);
      } finally {
        await pool.close();
      }
    });
  } catch (error) {
    fail(error);
  }
}
