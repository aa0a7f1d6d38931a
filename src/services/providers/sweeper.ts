/**
 * Brings back what is due: what waits for its time, and what a process has left behind. The rows are the only memory;
 * this is the clock that looks at them.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import type { Session } from '#platform/postgres/session.ts';
import { operationOf } from './attempt.ts';
import type { Dispatcher } from './dispatcher.ts';
import { sendingWindow } from './schedule.ts';
import { type Claimed, claimDue } from './store.ts';

/** What became due without this process knowing is noticed after so long. */
const LOOK_MS = 500;
/** What waits for room is looked for no more often than that. */
const ROOM_INTERVAL_MS = 20;
/** Taken at a time: what fits, but always room for questions, which wait for no charge. */
const CLAIM_MIN = 64;
const CLAIM_MAX = 500;

export interface SweeperOptions {
  readonly session: Session;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly random: () => number;
  /** The longest of all providers. */
  readonly timeoutMs: number;
  readonly onError: (error: unknown) => void;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  #partitions: readonly number[] = [];
  #nextAt: EpochMs = 0;
  #failures = 0;
  #sweptAt: EpochMs = 0;
  /** Some provider had no room when the last sweep looked. */
  #wasFull = false;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  #stopped = true;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#schedule();
  }

  /** The partitions whose attempts are this process' to take. */
  own(partitions: readonly number[]): void {
    this.#partitions = partitions;
  }

  /** Something is due then. */
  wakeAt(at: EpochMs): void {
    if (at >= this.#nextAt) return;
    this.#nextAt = at;
    if (this.#sweeping === undefined) this.#schedule();
  }

  /** A call has ended: what waits for room may find some. */
  noteRoom(): void {
    if (this.#wasFull) this.wakeAt(this.#sweptAt + ROOM_INTERVAL_MS);
  }

  /** Finishes the claim that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    const waitMs = this.#nextAt - this.#options.clock.now();
    this.#timer = setTimeout(() => this.#look(), Math.max(0, Math.min(waitMs, LOOK_MS)));
  }

  #look(): void {
    if (this.#nextAt > this.#options.clock.now()) {
      this.#schedule();
      return;
    }
    this.#sweeping = this.#sweep().finally(() => {
      this.#sweeping = undefined;
      this.#schedule();
    });
  }

  /** One claim; the next follows at once if there was more than it took. */
  async #sweep(): Promise<void> {
    const { clock, dispatcher, onError, random } = this.#options;
    const room = [...dispatcher.rooms().values()].reduce((sum, each) => sum + each, 0);
    const limit = Math.min(Math.max(CLAIM_MIN, room), CLAIM_MAX, dispatcher.free);
    const now = clock.now();
    this.#nextAt = now + LOOK_MS;
    this.#sweptAt = now;
    const fullProviders = dispatcher.fullProviders();
    this.#wasFull = fullProviders.length > 0;
    if (this.#partitions.length === 0 || limit <= 0) return;
    try {
      const claimed = await this.#claim(limit, now, fullProviders);
      for (const each of claimed) this.#handOver(each);
      this.#failures = 0;
      if (claimed.length === limit) this.#nextAt = now;
    } catch (error) {
      this.#nextAt = now + LOOK_MS + backoffMs(++this.#failures, random);
      onError(error);
    }
  }

  #claim(limit: number, now: EpochMs, fullProviders: readonly string[]): Promise<Claimed[]> {
    const { session, timeoutMs } = this.#options;
    const { sendBefore, dueAt: dueAgainAt } = sendingWindow(now, timeoutMs);
    return claimDue(session, {
      partitions: this.#partitions,
      now,
      sendBefore,
      dueAgainAt,
      limit,
      fullProviders,
    });
  }

  #handOver({ attempt, found }: Claimed): void {
    const { dispatcher } = this.#options;
    if (attempt.kind === 'charge' && found === 'sending') dispatcher.takeOver(attempt);
    else dispatcher.take(attempt, operationOf({ kind: attempt.kind, state: found }));
  }
}
