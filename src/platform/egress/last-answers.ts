import { setTimeout as delay } from 'node:timers/promises';

/** Longer than the usual answer; what has not come by then is brought back by its row. */
const LAST_ANSWERS_MS = 3000;

/** Waits for answers that are on their way when the process stops, for a moment. */
export async function lastAnswers(underWay: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  const late = delay(LAST_ANSWERS_MS, undefined, { signal: over.signal }).catch(() => undefined);
  await Promise.race([underWay, late]);
  over.abort();
}
