import { setTimeout as delay } from 'node:timers/promises';

/** Long enough to cost nothing, short enough not to be felt in a start of 50 ms. */
const POLL_MS = 10;

/** True as soon as `condition` holds, false when it did not within `timeoutMs`. */
export async function waitUntil(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}
