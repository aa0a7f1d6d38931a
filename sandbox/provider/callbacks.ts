/**
 * Delivers the callbacks that are owed, each again and again until it is taken.
 *
 * C1: callbacks owed together are sent one after the other, in their order.
 * C2: who is told that they are done has them off the book; whatever was not told of is sent again after a restart, so
 *     that a callback arrives at least once.
 * C3: a callback that nobody took for a day is given up.
 */
import type { CallbackStep, OwedCallback } from './book.ts';
import { type CallbackSender, MAX_AT_ONCE } from './callback-sender.ts';
import { pause } from './pause.ts';
import { Slots } from './slots.ts';

const BACKOFF_MS = [1000, 2000, 5000, 15_000];
const LONGEST_MS = 60_000;
const GIVE_UP_MS = 24 * 60 * 60 * 1000;

export interface CallbacksOptions {
  readonly sender: CallbackSender;
  readonly now: () => number;
  readonly onDone: (id: string) => void;
}

export class Callbacks {
  readonly #options: CallbacksOptions;
  readonly #slots = new Slots(MAX_AT_ONCE);
  #isClosed = false;

  constructor(options: CallbacksOptions) {
    this.#options = options;
  }

  /** Resolves after the first attempt of the first of them. */
  begin(owed: OwedCallback): Promise<void> {
    return new Promise((resolve) => void this.#deliver(owed, resolve));
  }

  close(): void {
    this.#isClosed = true;
    this.#options.sender.close();
  }

  async #deliver(owed: OwedCallback, onAttempt: () => void): Promise<void> {
    await pause(owed.at - this.#options.now());
    for (const step of owed.steps) {
      await pause(step.afterMs);
      await this.#sendUntilTaken(owed, step, onAttempt); // C1
    }
    if (!this.#isClosed) this.#options.onDone(owed.id); // C2
  }

  async #sendUntilTaken(owed: OwedCallback, step: CallbackStep, onAttempt: () => void): Promise<void> {
    for (let attempt = 0; !this.#isClosed; attempt += 1) {
      const isTaken = await this.#send(owed, step);
      onAttempt();
      const isLate = this.#options.now() - owed.since > GIVE_UP_MS; // C3
      if (isTaken || step.isOnce || isLate) return;
      await pause(BACKOFF_MS[attempt] ?? LONGEST_MS);
    }
  }

  #send({ since }: OwedCallback, step: CallbackStep): Promise<boolean> {
    const { sender, now } = this.#options;
    return this.#slots.use(() => sender.send({ step, since, now: now() }));
  }
}
