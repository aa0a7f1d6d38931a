/** A frozen set of dead letters that is replayed in the background, and how far it is. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '../log/event.ts';

export interface ReplayProgress {
  /** Its uuid. */
  readonly id: string;
  readonly total: number;
  readonly replayed: number;
  /** Those that failed again and are open still, and those withdrawn for a skip or discard. */
  readonly failed: number;
  readonly requestedBy: string;
  readonly requestedAt: EpochMs;
}

export function renderReplay(progress: ReplayProgress): JsonObject {
  const { id, total, replayed, failed, requestedBy, requestedAt } = progress;
  return {
    id: idOf('rpl', id),
    state: replayed + failed < total ? 'running' : 'done',
    total,
    replayed,
    failed,
    requested_by: requestedBy,
    requested_at: toRfc3339(requestedAt),
  };
}
