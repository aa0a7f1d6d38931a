import type { Settings } from '#platform/config/settings.ts';
import { SANDBOX_TENANT } from '#services/access/contract.ts';

/**
 * Whose keys a command is about. Production has no sandbox tenant, and a key of that one would not let it start: there
 * the tenant has to be said.
 */
export function keyTenant(given: string | undefined, mode: Settings['mode']): string {
  if (given !== undefined) return given;
  if (mode === 'sandbox') return SANDBOX_TENANT;
  throw new Error('LASTRO_MODE=production has no default tenant: say whose key it is, with --tenant <id>');
}
