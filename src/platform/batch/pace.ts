/**
 * How workers trade latency for the fixed cost of a commit. Alone, a request or an event waits for nothing. With
 * company the next batch starts a little later than it could, and takes more with it: the dozen statements of a batch
 * cost the server and this process as much for ten rows as for a hundred.
 */

/** Wake-ups may be lost; an idle worker of events looks this often, in ms. */
export const IDLE_LOOK_MS = 250;

/** Of a stage that a payment waits for, in ms: a longer one is felt by callers whose next request waits for this one's end. */
export const AWAITED_PACE_MS = 20;

/** A batch this large was not alone; the next one starts no sooner than so much after it did. */
const SOME_EVENTS = 8;
const SOME_LOAD_PACE_MS = 5;
/** A batch this large was under load: then the worker's own pace holds. Above what 2000 events a second bring in one pace. */
const MANY_EVENTS = 100;

/** Waits out the pace of a batch that began at `startedAt` (on the clock of `performance`). */
export async function restAfter(batch: { events: number; startedAt: number; paceMs: number }): Promise<void> {
  const paceMs =
    batch.events >= MANY_EVENTS ? batch.paceMs : batch.events >= SOME_EVENTS ? SOME_LOAD_PACE_MS : 0;
  await restUntil(batch.startedAt + paceMs);
}

/** `at` on the clock of `performance`. */
export async function restUntil(at: number): Promise<void> {
  const restMs = at - performance.now();
  if (restMs >= 1) await new Promise((resolve) => setTimeout(resolve, restMs));
}
