import type { EpochMs } from '#kernel/clock.ts';
import type { Attempt } from './attempt.ts';
import type { AttemptChanges } from './attempts.ts';

/** What is left to be done after a commit. */
export interface ToDo {
  /** Begun as `sending`: by the process that committed them, now. */
  readonly sending: readonly Attempt[];
  /** When the first of the others is due; Infinity if none is. */
  readonly dueAt: EpochMs;
}

export function toDo({ begun, changed }: Pick<AttemptChanges, 'begun' | 'changed'>): ToDo {
  const sending = begun.filter(isSentNow);
  const later = [...begun.filter((attempt) => !isSentNow(attempt)), ...changed];
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
