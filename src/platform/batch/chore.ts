/** Work that comes back after a pause, as long as the process runs: one turn at a time, later after a failure. */
import { backoffMs } from './backoff.ts';

export interface ChoreOptions {
  /** One turn; after how long the next one begins, counted from its end. */
  readonly work: () => Promise<number>;
  /** After a turn that failed, in its first place; then ever longer. */
  readonly pauseMs: number;
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
}

export class Chore {
  readonly #options: ChoreOptions;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #failures = 0;
  #pauseMs: number;
  #stopped = false;

  constructor(options: ChoreOptions) {
    this.#options = options;
    this.#pauseMs = options.pauseMs;
  }

  start(): void {
    if (this.#stopped) return;
    const { random } = this.#options;
    const waitMs = this.#pauseMs + (this.#failures === 0 ? 0 : backoffMs(this.#failures, random));
    this.#timer = setTimeout(() => {
      this.#turn = this.#run();
    }, waitMs);
  }

  /** Finishes the turn under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  async #run(): Promise<void> {
    try {
      this.#pauseMs = await this.#options.work();
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      this.#pauseMs = this.#options.pauseMs;
      // What was ended on purpose is no failure.
      if (!this.#stopped) this.#options.onError(error);
    }
    this.start();
  }
}
