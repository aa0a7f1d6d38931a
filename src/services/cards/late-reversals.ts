/**
 * Gives back what was approved too late to be answered (authorizer.ts, C1), until it is given back: in batches of their own
 * on a session of their own, because a balance that is locked must not hold up the decisions; nor does it hold up the others.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#kernel/clock.ts';
import { Fault, InvariantViolation } from '#kernel/fault.ts';
import { type AppliedBatch, GroupCommit, type GroupCommitOptions } from '#platform/batch/group-commit.ts';
import { untilDone } from '#platform/batch/repeat.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { isTransient } from '#platform/postgres/faults.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { Books, Ledger } from '#services/ledger/contract.ts';
import type { CardTransaction } from './card-transaction.ts';
import { lockFree } from './free-card-transactions.ts';
import { reverse, type Step } from './give-back.ts';
import { type Origin, stepEvent } from './render-events.ts';
import { saveSteps } from './save-steps.ts';
import type { LockedCardTransaction } from './store.ts';

/** Before another try of what somebody else has locked. */
const LOCKED_PAUSE_MS = 5;
/** A process that stops waits so long for a lock: longer than any transaction lives (R7). */
const STOPPING_MS = 6000;

export interface LateReversalsOptions
  extends Pick<GroupCommitOptions<unknown, unknown>, 'log' | 'session' | 'random' | 'batchMax' | 'observer'> {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly newUuid: () => string;
}

interface Late {
  readonly approved: CardTransaction;
  readonly reversalUuid: string;
  readonly origin: Origin;
}

class Locked extends Fault {
  constructor() {
    super('what was approved too late is locked', { transient: true });
  }
}

export class LateReversals {
  readonly #options: LateReversalsOptions;
  readonly #batches: GroupCommit<Late, CardTransaction | 'locked'>;
  /** On the clock of `performance`; none as long as the process does not stop. */
  #stoppingSince = Number.POSITIVE_INFINITY;

  constructor(options: LateReversalsOptions) {
    this.#options = options;
    this.#batches = new GroupCommit({
      ...options,
      name: 'cards.late',
      paceMs: 0,
      delayMs: () => 0,
      apply: (tx, late) => this.#apply(tx, late),
    });
  }

  start(): void {
    this.#batches.start();
  }

  /** The process stops: what cannot be given back in some seconds stays an approval that was not answered. */
  noteStopping(): void {
    this.#stoppingSince = performance.now();
  }

  stop(): Promise<void> {
    return this.#batches.stop();
  }

  /** Resolves when nothing of it is applied any more, durably: as it then stands. */
  reverse(approved: CardTransaction, origin: Origin): Promise<CardTransaction> {
    const late = { approved, origin, reversalUuid: this.#options.newUuid() };
    return untilDone(
      async () => {
        const outcome = await this.#batches.submit(late);
        if (outcome === 'locked') throw new Locked();
        return outcome;
      },
      async (error) => {
        if (error instanceof Locked && performance.now() - this.#stoppingSince <= STOPPING_MS) {
          await delay(LOCKED_PAUSE_MS);
          return;
        }
        // It gives up after some seconds; who would be told `07` waits on, because it would not be true.
        if (!isTransient(error) || performance.now() > this.#stoppingSince) throw error;
      },
    );
  }

  async #apply(tx: Transaction, late: readonly Late[]): Promise<AppliedBatch<CardTransaction | 'locked'>> {
    const { ledger, clock, log } = this.#options;
    const approved = late.map((each) => each.approved);
    const { books, free } = await lockFree(tx, ledger, approved);
    const now = clock.now();
    const drafts: EventDraft[] = [];
    const steps: Step[] = [];
    const outcomes = late.map(({ approved: { uuid }, reversalUuid, origin }) => {
      const before = free.get(uuid);
      if (before === undefined) return 'locked';
      const step = lateStep(books, before, reversalUuid, now);
      if (step === undefined) return before.cardTransaction;
      steps.push(step);
      drafts.push(stepEvent(step, reversalUuid, origin));
      return step.after;
    });
    ledger.saveBooks(tx, books, now);
    saveSteps(tx, steps);
    const append = { topic: 'cards', partitions: log.partitions, occurredAt: now, drafts };
    return { outcomes, segments: sendDrafts(tx, append) };
  }
}

/**
 * Undefined if a repeat is told of the approval, which then stands; or if a reversal that was asked for came first: then it
 * stays approved and reversed. It is answered so.
 */
function lateStep(
  books: Books,
  { cardTransaction: before, isRepeated }: LockedCardTransaction,
  reversalUuid: string,
  now: number,
): Step | undefined {
  if (isRepeated) return undefined;
  const step = reverse(books, before, { uuid: reversalUuid, amountMinor: undefined, because: 'late' }, now);
  if (step.ok) return { ...step.value, after: { ...step.value.after, code: '07', reason: 'late' } };
  if (step.problem.code === 'cards.nothing_to_reverse') return undefined;
  throw new InvariantViolation(`what was approved too late cannot be given back: ${step.problem.detail}`);
}
