/**
 * Asks again for what a compensation needs and was refused, once its pause is over (K2, compensation.ts). The event is made
 * by whoever counted the failure; here it is only its time that has come. Any process may do it: a row is taken by one.
 */
import type { Clock } from '#kernel/clock.ts';
import { Chore } from '#platform/batch/chore.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
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
  readonly #chore: Chore;

  constructor(options: AskAgainOptions) {
    this.#options = options;
    this.#chore = new Chore({
      ...options,
      pauseMs: LOOK_MS,
      work: async () => {
        await this.#askDue();
        return LOOK_MS;
      },
    });
  }

  start(): void {
    this.#chore.start();
  }

  /** Finishes what is being asked for. */
  stop(): Promise<void> {
    return this.#chore.stop();
  }

  async #askDue(): Promise<void> {
    const { session, log, clock } = this.#options;
    const segments = await session.transaction(async (tx) => {
      const now = clock.now();
      const rows = await tx.query<{ ask: string }>(TAKE_DUE, [new Date(now), BATCH_MAX]);
      const drafts = rows.map(({ ask }) => JSON.parse(ask) as EventDraft);
      return sendDrafts(tx, { topic: 'authorization', partitions: log.partitions, occurredAt: now, drafts });
    });
    if (segments !== undefined) log.publish(segments);
  }
}
