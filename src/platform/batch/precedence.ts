/**
 * Whoever waits for a decision by a deadline goes before whoever was told 202 and will hear later (docs/adr/0027). Both share this
 * process and its database; under a load that takes all of either, the ones with a deadline would be the ones to lose.
 *
 * Who decides by a deadline notes how much of their time the slowest of a batch had to wait. Where that is too much, the
 * others' next batch waits before it begins, longer as long as it does not help, and takes a part of those that wait, so that it
 * is soon over. Where it is little again, they are given back what was taken, more slowly than it was taken. Nothing is refused.
 *
 * V1: nobody is slowed for long by who is not there: what has not been noted for a while slows nobody.
 * V2: the others are never held up longer than `MAX_MS` a batch.
 */

/** Of the time that they have. There is noise above, and the way back to the caller. */
const TOO_MUCH = 0.5;
const LITTLE = 0.3;
/** A change is given so long to have its effect, in ms: some batches of either. */
const STEP_MS = 30;
const FIRST_MS = 20;
const GROWTH = 1.5;
const SHRINKAGE = 0.9;
/** Behind the last step down. */
const LEAST_MS = 2;
/** A caller who hears of his payment a tenth of a second later has lost nothing. */
const MAX_MS = 100;
/** A batch takes this part of those that wait, and some at least. A part, so that the queue ends where so many come that it grows. */
const PART = 0.25;
const SOME = 32;
/** V1 */
const FORGOTTEN_AFTER_MS = 500;

export class Precedence {
  #delayMs = 0;
  /** The most that was noted since the last step. */
  #part = 0;
  #steppedAt = Number.NEGATIVE_INFINITY;
  #notedAt = Number.NEGATIVE_INFINITY;

  /** How much of their time whoever has a deadline had to wait: 1 is all of it. `at` on the clock of `performance`. */
  note(part: number, at: number = performance.now()): void {
    if (at - this.#notedAt > FORGOTTEN_AFTER_MS) this.#forget();
    this.#notedAt = at;
    this.#part = Math.max(this.#part, part);
    if (at - this.#steppedAt < STEP_MS) return;
    this.#delayMs = nextDelayMs(this.#delayMs, this.#part);
    this.#steppedAt = at;
    this.#part = 0;
  }

  /** V1 */
  #forget(): void {
    this.#delayMs = 0;
    this.#part = 0;
  }

  /** How long the others wait before their next batch. */
  delayMs(at: number = performance.now()): number {
    return at - this.#notedAt > FORGOTTEN_AFTER_MS ? 0 : this.#delayMs;
  }

  /** How many of those that wait the others' next batch takes. */
  takes(waiting: number, at?: number): number {
    return this.delayMs(at) === 0 ? waiting : Math.max(SOME, Math.ceil(waiting * PART));
  }
}

function nextDelayMs(delayMs: number, part: number): number {
  if (part > TOO_MUCH) return Math.min(MAX_MS, Math.max(FIRST_MS, delayMs * GROWTH)); // V2
  if (part > LITTLE) return delayMs;
  const less = delayMs * SHRINKAGE;
  return less < LEAST_MS ? 0 : less;
}
