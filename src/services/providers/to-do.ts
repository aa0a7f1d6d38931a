import type { EpochMs } from '#kernel/clock.ts';
import type { Attempt } from './attempt.ts';
import type { AttemptChanges } from './attempts.ts';
import type { Routing } from './routing.ts';

/** What is left to be done after a commit. */
export interface ToDo {
  /** Begun as `sending`: by the process that committed them, now. */
  readonly sending: readonly Attempt[];
  /** When the first of the others is due; Infinity if none is. Who waits for a provider to answer is due when it does. */
  readonly dueAt: EpochMs;
}

export function toDo(
  { begun, changed }: Pick<AttemptChanges, 'begun' | 'changed'>,
  routing: Pick<Routing, 'isAvailable'>,
): ToDo {
  const sending = begun.filter(isSentNow);
  const later = [...begun.filter((attempt) => !isSentNow(attempt)), ...changed].filter(
    ({ state, exposed, provider }) => state !== 'waiting' || exposed || routing.isAvailable(provider),
  );
  return {
    sending,
    dueAt: later.reduce(
      (first, { dueAt }) => Math.min(first, dueAt ?? Number.POSITIVE_INFINITY),
      Number.POSITIVE_INFINITY,
    ),
  };
}

/** A call of it was begun as its row was. */
function isSentNow({ state, calls }: Attempt): boolean {
  return state === 'sending' && calls > 0;
}
