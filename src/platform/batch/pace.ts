/**
 * How workers trade latency for the fixed cost of a commit. Alone, a request or an event waits for nothing. With
 * company the next batch starts a little later than it could, and takes more with it: the dozen statements of a batch
 * cost the server and this process as much for ten rows as for a hundred.
 */

import { setImmediate as turn } from 'node:timers/promises';

/** Wake-ups may be lost; an idle worker of events looks this often, in ms. */
export const IDLE_LOOK_MS = 250;

/** Of a stage that a payment waits for, in ms: a longer one is felt by callers whose next request waits for this one's end. */
export const AWAITED_PACE_MS = 20;

/** A batch this large was not alone; the next one starts no sooner than so much after it did. */
const SOME_EVENTS = 8;
const SOME_LOAD_PACE_MS = 5;
/** A batch this large was under load: then the worker's own pace holds. Above what 2000 events a second bring in one pace. */
const MANY_EVENTS = 100;

export interface PacedBatch {
  readonly events: number;
  /** On the clock of `performance`. */
  readonly startedAt: number;
  readonly paceMs: number;
  /** It had no room for all that waited: nothing would be gained by waiting for more. */
  readonly isFull?: boolean;
}

/** Waits out the pace of a batch. Behind a full one only what else there is to do in the loop has its turn. */
export async function restAfter({ events, startedAt, paceMs, isFull = false }: PacedBatch): Promise<void> {
  if (isFull) await turn();
  else
    await restUntil(
      startedAt + (events >= MANY_EVENTS ? paceMs : events >= SOME_EVENTS ? SOME_LOAD_PACE_MS : 0),
    );
}

/** `at` on the clock of `performance`. */
export async function restUntil(at: number): Promise<void> {
  const restMs = at - performance.now();
  if (restMs >= 1) await new Promise((resolve) => setTimeout(resolve, restMs));
}
