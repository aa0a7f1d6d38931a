/** An instant for people and in texts that are compared: a column can have one that no calendar has. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';

export function instantText(at: EpochMs): string {
  return Number.isFinite(at) ? toRfc3339(at) : String(at);
}
