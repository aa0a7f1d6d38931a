/** Calls that ended long ago are forgotten, in small batches. What came of them stays: in the integration, and in the log. */
import type { Clock } from '#kernel/clock.ts';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { Chore } from '#platform/batch/chore.ts';
import type { Session } from '#platform/postgres/session.ts';
import { FORGET_CALLS } from './call-store.ts';

/** Of one commit: some milliseconds. */
const PAGE = 500;
/** Between two commits, so that it takes little from what is under way: 2500 a second. */
const PAGE_PAUSE_MS = 200;
const ROUND_PAUSE_MS = 600_000;
const BEGINS_AFTER_MS = 60_000;

export interface CallRetentionOptions {
  /** Statements that stand alone: it may be another's too. */
  readonly session: Session;
  readonly clock: Clock;
  readonly retentionMs: number;
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
}

export class CallRetention {
  readonly #options: CallRetentionOptions;
  readonly #chore: Chore;

  constructor(options: CallRetentionOptions) {
    this.#options = options;
    this.#chore = new Chore({ ...options, pauseMs: BEGINS_AFTER_MS, work: () => this.forgetPage() });
  }

  start(): void {
    this.#chore.start();
  }

  stop(): Promise<void> {
    return this.#chore.stop();
  }

  /** After how long there is more to do, in ms. */
  async forgetPage(): Promise<number> {
    const { session, clock, retentionMs } = this.#options;
    const forgotten = await session.query(FORGET_CALLS, [firstUuidAt(clock.now() - retentionMs), PAGE]);
    return forgotten.length === PAGE ? PAGE_PAUSE_MS : ROUND_PAUSE_MS;
  }
}
