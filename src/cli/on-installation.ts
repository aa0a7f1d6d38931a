/** What commands have in common that work on one tenant of an installation, beside running processes. */
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { type OpenedDatabase, openDatabase, openInstallation } from '../open-database.ts';
import { workOn } from './break-off.ts';
import { type CommandEnvironment, fail, readEnvironment, say, understood } from './environment.ts';
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

type Opening = (environment: CommandEnvironment) => Promise<OpenedDatabase>;

/** In a place that is misspelt nothing is made: a new installation has no findings either, which reads as if all were well. */
function openAsItIs({ settings, dataDir }: CommandEnvironment): Promise<OpenedDatabase> {
  return openInstallation({ dataDir, databaseUrl: settings.databaseUrl, onProgress: say });
}

/** Made and migrated if need be: production has its first key before its first start. */
export function openOrMake({ settings, dataDir }: CommandEnvironment): Promise<OpenedDatabase> {
  const { databaseUrl, partitions } = settings;
  return openDatabase({ dataDir, databaseUrl, partitions, onProgress: say });
}

/** The database of the environment. A failure ends the process (`fail`). */
export async function onInstallation(
  options: TenantOption,
  work: (installation: Installation) => Promise<void>,
  open: Opening = openAsItIs,
): Promise<void> {
  const { mode } = readEnvironment().settings;
  const tenant = understood(() => keyTenant(options.tenant, mode));
  await onPool((opened) => work({ ...opened, tenant }), open);
}

/** The same for commands about all tenants. */
export async function onPool(
  work: (opened: OpenedPool) => Promise<void>,
  open: Opening = openAsItIs,
): Promise<void> {
  const environment = readEnvironment();
  try {
    await workOn(open(environment), async ({ url }, onLost) => {
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
