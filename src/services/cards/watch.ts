/**
 * What has to be done although nobody asks: holds that are due are given back, and approvals of a process that is gone,
 * which it may not have answered, are marked. Every process looks after all; whoever comes second finds it done.
 */
import type { Clock } from '#kernel/clock.ts';
import { invariant } from '#kernel/fault.ts';
import { idOf } from '#kernel/ids.ts';
import { Chore } from '#platform/batch/chore.ts';
import { inHalves } from '#platform/batch/in-halves.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { AppendedSegment } from '#platform/log/append.ts';
import type { EventDraft } from '#platform/log/event.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { Session, Transaction } from '#platform/postgres/session.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { buryDeciders } from './confirmation-store.ts';
import { lockFree } from './free-card-transactions.ts';
import { release, type Step } from './give-back.ts';
import { deleteOpenHolds, findDueHolds, type OpenHold, postponeHold } from './hold-store.ts';
import { stepEvent } from './render-events.ts';
import { saveSteps } from './save-steps.ts';
import { findCardTransactions } from './store.ts';

/** A hold lasts days, and a dead process is noticed by its callers first. */
const LOOK_MS = 2000;
/** Before another try of a hold that cannot be given back, which is for a person: meanwhile it stands before no other. */
const POSTPONED_MS = 3_600_000;
/** Holds given back in one go. */
const DUE_MAX = 500;

export interface CardWatchOptions {
  readonly ledger: Ledger;
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
}

export class CardWatch {
  readonly #options: CardWatchOptions;
  readonly #chore: Chore;

  constructor(options: CardWatchOptions) {
    this.#options = options;
    this.#chore = new Chore({
      ...options,
      pauseMs: LOOK_MS,
      work: async () => {
        await this.look();
        return LOOK_MS;
      },
    });
  }

  start(): void {
    this.#chore.start();
  }

  stop(): Promise<void> {
    return this.#chore.stop();
  }

  /** Once. */
  async look(): Promise<void> {
    await buryDeciders(this.#options.session);
    await this.#expireHolds();
  }

  async #expireHolds(): Promise<void> {
    const { session, log, clock, onError } = this.#options;
    await inHalves(await findDueHolds(session, clock.now(), DUE_MAX), {
      work: async (due) => {
        const segments = await session.transaction((tx) => this.#release(tx, due));
        if (segments !== undefined) log.publish(segments);
      },
      onFailed: async (hold, error) => {
        onError(error);
        await postponeHold(session, hold, clock.now() + POSTPONED_MS);
      },
    });
  }

  /** Locks what nobody else has, then reads what of the holds is still there (R2); the next look finds the others. */
  async #release(tx: Transaction, due: readonly OpenHold[]): Promise<AppendedSegment[] | undefined> {
    const { ledger, log, clock } = this.#options;
    const correlations = new Map(due.map(({ uuid, correlationId }) => [uuid, correlationId]));
    const known = await findCardTransactions(tx, due);
    const { books, free } = await lockFree(tx, ledger, known);
    const locked = [...free.values()].map(({ cardTransaction }) => cardTransaction);
    const held = locked.filter(({ state }) => state === 'held');
    const now = clock.now();
    const steps = held.map((before) => release(books, before, 'expired'));
    ledger.saveBooks(tx, books, now);
    saveSteps(tx, steps);
    // What has ended otherwise waits for nothing any more.
    deleteOpenHolds(
      tx,
      locked.filter(({ state }) => state !== 'held'),
    );
    const drafts = steps.map((step) => this.#expired(step, correlations.get(step.after.uuid)));
    return sendDrafts(tx, { topic: 'cards', partitions: log.partitions, occurredAt: now, drafts });
  }

  /** Nobody asked but who placed the hold. */
  #expired(step: Step, correlationId: string | undefined): EventDraft {
    const { uuid } = step.after;
    invariant(correlationId !== undefined, `the hold of ${uuid} is not due`);
    return stepEvent(step, uuid, { correlationId, causation: idOf('ctx', uuid), traceparent: null });
  }
}
