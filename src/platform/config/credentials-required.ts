import { listensOnLoopback } from '#platform/http/loopback.ts';
import type { Settings } from './settings.ts';

/**
 * Why a process with these settings must not start, or undefined if it may (DESIGN §7). Whoever can reach the port
 * can move money, so a port that others reach, and any production, needs at least one API key that works.
 */
export function refusalToStart(
  settings: Pick<Settings, 'mode' | 'host'>,
  usableKeys: number,
): string | undefined {
  if (usableKeys > 0) return undefined;
  const remedy = 'create one with `./lastro keys create --tenant <yours>` (the sandbox tenant is not one)';
  if (settings.mode === 'production')
    return `LASTRO_MODE=production needs an API key and none is usable; ${remedy}`;
  if (!listensOnLoopback(settings.host)) {
    return `LASTRO_HOST=${settings.host} can be reached from other machines and no API key is usable; ${remedy}, or listen on 127.0.0.1`;
  }
  return undefined;
}
