/** What the settings say of requests to targets that tenants name: where they may lead, and how long what came of them is kept. */
import type { Settings } from '#platform/config/settings.ts';
import type { Reach } from '#platform/egress/reachable.ts';

const DAY_MS = 86_400_000;

/** In the sandbox also to this machine. */
export function reachOf({ mode }: Settings): Reach {
  return mode === 'sandbox' ? 'anywhere' : 'public';
}

export function retentionMsOf({ retentionDays }: Settings): number {
  return retentionDays * DAY_MS;
}
