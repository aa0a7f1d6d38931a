/**
 * How many requests a deciding batch takes. Under a load that no machine carries a batch of all that waits would be late as a
 * whole; so the ones that come in time are decided, and the others are dropped for nothing but their answer.
 *
 * The size is felt for: it grows while full batches are done in time, and falls when one was not. It is not computed from the
 * time of a request: most of a small batch's is not its requests', so small batches would look slow, and be made smaller.
 */

/**
 * From the first statement to the commit, behind which a large batch is answered. Who comes when a batch has just begun waits for
 * two of them.
 */
const BATCH_MS = 35;
const GROWTH = 1.25;
const SHRINKAGE = 0.8;
/** Of one so small the commit and waiting for the thread are the larger part: a smaller one would not be faster. */
const LEAST = 50;
/** Fewer do not tell how long a batch takes under load. */
const FEW = 8;
/** Of what the last batch tells of the next. */
const NEWS_PART = 0.3;

export class BatchPace {
  readonly #batchMax: number;
  #limit: number;
  /** Of a batch under load. */
  #usualMs = 0;

  constructor(batchMax: number) {
    this.#batchMax = batchMax;
    this.#limit = batchMax;
  }

  get limit(): number {
    return this.#limit;
  }

  /**
   * How long a batch takes while so many wait. Never more than it may take, or a slow moment would have everything dropped and
   * nothing measured again.
   */
  expectedMs(waiting: number): number {
    return waiting <= FEW ? 0 : Math.min(BATCH_MS, this.#usualMs);
  }

  note(requests: number, durationMs: number): void {
    if (requests < FEW) return;
    this.#usualMs += NEWS_PART * (durationMs - this.#usualMs);
    if (durationMs > BATCH_MS)
      this.#limit = Math.min(this.#limit, Math.max(LEAST, Math.floor(requests * SHRINKAGE)));
    else if (requests >= this.#limit) this.#limit = Math.min(this.#batchMax, Math.ceil(this.#limit * GROWTH));
  }
}
