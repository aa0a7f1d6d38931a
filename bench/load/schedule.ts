/**
 * When requests are to be sent. In an open loop the n-th has its time whatever became of those before it, and its
 * latency counts from that time: a server that stalls is charged for every request it kept from being sent (no
 * coordinated omission). In a closed loop a connection sends when its last answer is there.
 */
export class OpenSchedule {
  readonly #ratePerMs: number;
  readonly #total: number;

  constructor(options: { ratePerSecond: number; durationMs: number }) {
    this.#ratePerMs = options.ratePerSecond / 1000;
    this.#total = Math.floor(options.durationMs * this.#ratePerMs);
  }

  /** Requests of the whole run. */
  get total(): number {
    return this.#total;
  }

  /** ms from the start at which request `index` (from 0) is to be sent. */
  intendedAtMs(index: number): number {
    return index / this.#ratePerMs;
  }

  /** How many requests should have been sent by now. */
  dueBy(elapsedMs: number): number {
    return Math.min(this.#total, Math.floor(elapsedMs * this.#ratePerMs) + 1);
  }
}
