/** A frozen set of dead letters that is replayed, or discarded, in the background, and how far it is. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { JsonObject } from '../log/event.ts';

export type SetAction = 'replay' | 'discard';

export interface ReplayProgress {
  /** Its uuid. */
  readonly id: string;
  readonly action: SetAction;
  readonly total: number;
  readonly done: number;
  /** Those that failed again and are open still, and those withdrawn for a skip or discard. */
  readonly failed: number;
  readonly requestedBy: string;
  readonly requestedAt: EpochMs;
}

export function renderReplay(progress: ReplayProgress): JsonObject {
  const { id, action, total, done, failed, requestedBy, requestedAt } = progress;
  return {
    id: idOf('rpl', id),
    state: done + failed < total ? 'running' : 'done',
    total,
    ...(action === 'replay' ? { replayed: done } : { discarded: done }),
    failed,
    requested_by: requestedBy,
    requested_at: toRfc3339(requestedAt),
  };
}
