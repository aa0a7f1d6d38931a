/** What commands have in common that work on one tenant of an installation, beside running processes. */
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { openDatabase } from '../open-database.ts';
import { workOn } from './break-off.ts';
import { fail, readEnvironment, say, understood } from './environment.ts';
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
export async function onInstallation(
  options: TenantOption,
  work: (installation: Installation) => Promise<void>,
): Promise<void> {
  const { mode } = readEnvironment().settings;
  const tenant = understood(() => keyTenant(options.tenant, mode));
  await onPool((opened) => work({ ...opened, tenant }));
}

/** The same for commands about all tenants. */
export async function onPool(work: (opened: OpenedPool) => Promise<void>): Promise<void> {
  const { settings, dataDir } = readEnvironment();
  try {
    const { databaseUrl, partitions } = settings;
    const opening = openDatabase({ dataDir, databaseUrl, partitions, onProgress: say });
    await workOn(opening, async ({ url }, onLost) => {
      const pool = new ReadPool({ url, onError: onLost });
      try {
        await work({ url, pool });
      } finally {
        await pool.close();
      }
    });
  } catch (error) {
    fail(error);
  }
}

/** Of one that does not exist nothing is listed, which reads as if all were well. */
export async function requireTenant(pool: ReadPool, tenant: string): Promise<void> {
  const rows = await pool.query('select from access.tenants where id = $1', [tenant]);
  if (rows.length === 0) throw new Error(`there is no tenant ${tenant}`);
}
