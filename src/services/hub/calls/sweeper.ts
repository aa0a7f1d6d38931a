/**
 * Brings back what is due: what waits for its time, and what a process has left behind. The rows are the only memory; this is
 * the clock that looks at them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#kernel/clock.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import { Signal } from '#platform/batch/signal.ts';
import type { Session } from '#platform/postgres/session.ts';
import { claimCalls, hastenCalls } from './call-store.ts';
import type { Dispatcher } from './dispatcher.ts';

const LOOK_EVERY_MS = 500;
/** Taken at a time. */
const CLAIM_MAX = 256;

export interface SweeperOptions {
  readonly session: Session;
  readonly dispatcher: Pick<Dispatcher, 'room' | 'take'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #signal = new Signal();
  /** Destinations that answer again, until what waits for them is due. */
  readonly #back = new Set<string>();
  #failures = 0;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** `tenant/connector/destination` answers again: what waits for it is not kept waiting any longer. */
  noteBack(destination: string): void {
    this.#back.add(destination);
    this.#signal.raise();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    await this.#running;
  }

  async #run(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- one look at a time
    while (!this.#stopping) await this.#turn();
  }

  async #turn(): Promise<void> {
    try {
      const taken = await this.#sweep();
      this.#failures = 0;
      if (taken < CLAIM_MAX) await this.#signal.wait(LOOK_EVERY_MS);
    } catch (error) {
      this.#options.onError(error);
      await delay(backoffMs(++this.#failures, this.#options.random));
    }
  }

  async #sweep(): Promise<number> {
    const { session, dispatcher, clock } = this.#options;
    await this.#hasten();
    const limit = Math.min(CLAIM_MAX, dispatcher.room);
    if (limit <= 0) return 0;
    const claimed = await claimCalls(session, { now: clock.now(), limit });
    for (const call of claimed) dispatcher.take(call);
    return claimed.length;
  }

  async #hasten(): Promise<void> {
    const names = [...this.#back];
    const back = names.map((name) => {
      const [tenant = '', connector = '', destination = ''] = name.split('/');
      return { tenant, connector, destination };
    });
    this.#back.clear(); // what is heard of meanwhile is another turn's
    try {
      await hastenCalls(this.#options.session, back, this.#options.clock.now());
    } catch (error) {
      for (const name of names) this.#back.add(name);
      throw error;
    }
  }
}
