/**
 * Asks again for what a compensation needs and was refused, once its pause is over (K2, compensation.ts). The event is made
 * by whoever counted the failure; here it is only its time that has come. Any process may do it: a row is taken by one.
 */
import type { Clock } from '#kernel/clock.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import { type AppendedSegment, prepareAppend, sendAppend } from '#platform/log/append.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { type Session, statement } from '#platform/postgres/session.ts';

const LOOK_MS = 500;
const BATCH_MAX = 100;

/**
 * By the index on retry_at, in its order. What somebody else holds is being answered, or asked for, just now; what somebody
 * has changed meanwhile is not met where it was found, and waits for the next look.
 */
export const TAKE_DUE = statement(
  'authorization.take_due_compensations',
  `update "authorization".compensations c set retry_at = null
   from (
     select t.ctid from "authorization".compensations t
     where t.retry_at <= $1::timestamptz order by t.retry_at limit $2::integer for update skip locked
   ) as due(at)
   where c.ctid = due.at
   returning c.ask`,
);

export interface AskAgainOptions {
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
}

export class AskAgain {
  readonly #options: AskAgainOptions;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #failures = 0;

  constructor(options: AskAgainOptions) {
    this.#options = options;
  }

  start(): void {
    const pauseMs = LOOK_MS + (this.#failures === 0 ? 0 : backoffMs(this.#failures, this.#options.random));
    this.#timer = setTimeout(() => {
      this.#turn = this.#look();
    }, pauseMs);
  }

  /** Finishes what is being asked for. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#turn;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    try {
      await this.#askDue();
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      this.#options.onError(error);
    }
    this.start();
  }

  async #askDue(): Promise<void> {
    const { session, log, clock } = this.#options;
    let segments: Promise<AppendedSegment[]> | undefined;
    await session.transaction(async (tx) => {
      const now = clock.now();
      const rows = await tx.query<{ ask: string }>(TAKE_DUE, [new Date(now), BATCH_MAX]);
      if (rows.length === 0) return;
      const drafts = rows.map(({ ask }) => JSON.parse(ask) as EventDraft);
      const { partitions } = log;
      segments = sendAppend(
        tx,
        prepareAppend({ topic: 'authorization', partitions, occurredAt: now, drafts }),
      );
    });
    if (segments !== undefined) log.publish(await segments);
  }
}
