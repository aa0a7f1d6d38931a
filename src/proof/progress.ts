/** How far a proof is: what its callers show as a bar or as lines. */
export interface Progress {
  readonly phase: string;
  readonly done: number;
  /** As counted at the start; intake may go on. */
  readonly total: number;
  readonly ratePerSecond: number;
}

export type OnProgress = (progress: Progress) => void;

/** Tells the caller at most so often. */
const TELL_EVERY_MS = 100;

/** A phase under way. Pages ask it whether to go on. */
export class Phase {
  readonly name: string;
  readonly #total: number;
  readonly #onProgress: OnProgress;
  readonly #signal: AbortSignal | undefined;
  readonly #startedAt = performance.now();
  #done = 0;
  #toldAt = -TELL_EVERY_MS;

  constructor(options: {
    name: string;
    total: number;
    onProgress: OnProgress;
    signal: AbortSignal | undefined;
  }) {
    this.name = options.name;
    this.#total = options.total;
    this.#onProgress = options.onProgress;
    this.#signal = options.signal;
    this.#tell();
  }

  /** Throws the reason of an abort. */
  advance(count: number): void {
    this.#signal?.throwIfAborted();
    this.#done += count;
    if (performance.now() - this.#toldAt >= TELL_EVERY_MS) this.#tell();
  }

  /** The last word, and how long it took, in ms. */
  end(): number {
    this.#tell();
    return performance.now() - this.#startedAt;
  }

  #tell(): void {
    const now = performance.now();
    this.#toldAt = now;
    const elapsedMs = Math.max(1, now - this.#startedAt);
    this.#onProgress({
      phase: this.name,
      done: this.#done,
      total: Math.max(this.#total, this.#done),
      ratePerSecond: Math.round((this.#done * 1000) / elapsedMs),
    });
  }
}
