/**
 * Commits what a batch decided, and answers it; where the commit fails, tries again, finds out what became of it, or looks for the
 * one request that is at fault (authorizer.ts, C3, C4, C5).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { InvariantViolation } from '#kernel/fault.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { repeatWhile } from '#platform/batch/repeat.ts';
import { DatabaseFault, isTransient } from '#platform/postgres/faults.ts';
import type { Session } from '#platform/postgres/session.ts';
import { isAnswerSent, partWaited } from './answer-way.ts';
import { Answers, type AnswersOptions } from './answers.ts';
import { isLockTimeout, isRolledBack } from './batch-faults.ts';
import type { BatchPace } from './batch-pace.ts';
import type { CardTransaction } from './card-transaction.ts';
import { BatchDecider, type BatchDeciderOptions } from './decide-batch.ts';
import type { RequestQueue, TakenRequests } from './request-queue.ts';
import { approvedOf, type Certain, isWaitingForSettlement, type Sent, type Told } from './told.ts';
import type { UndecidedNotes } from './undecided-notes.ts';
import { authorizedOf, giveUpEndless, isHeldUp, type WaitingRequest } from './waiting-request.ts';
import { WarmedUp } from './warm-up.ts';

/**
 * For a settlement account that another process has locked, where nothing can be decided without it: as long as a commit
 * takes, not as long as a process that is stopped.
 */
const SETTLEMENT_WAIT_MS = 20;
/** An id that another process claims meanwhile is found by the next try; what collides more often is faster in halves. */
const RACES_MAX = 4;
/** Batches that failed one behind the other, after which who comes late is not looked for again: it would wait for ever. */
const LOOKS_MAX = 4;
/** A deadline leaves no time for longer. */
const BACKOFF_MAX_MS = 20;

export interface BatchCommitterOptions
  extends Omit<BatchDeciderOptions, 'answers' | 'notes'>,
    AnswersOptions {
  readonly session: Session;
  readonly random: () => number;
  readonly observer: BatchObserver;
  readonly queue: RequestQueue;
  readonly notes: UndecidedNotes;
  readonly pace: Pick<BatchPace, 'note'>;
  /** Which part of their time the slowest of a batch had to wait, of those that nothing but the load held up. */
  readonly onWaited: (part: number) => void;
}

const NOBODY: readonly WaitingRequest[] = [];

export class BatchCommitter {
  readonly #options: BatchCommitterOptions;
  readonly #queue: RequestQueue;
  readonly #notes: UndecidedNotes;
  readonly #answers: Answers;
  readonly #decider: BatchDecider;
  /** C3: whether a settlement account is waited for. As long as it comes, that is fair; if it does not, others are decided first. */
  #waitsForSettlement = false;
  /** One behind the other. */
  #failures = 0;

  constructor(options: BatchCommitterOptions) {
    this.#options = options;
    this.#queue = options.queue;
    this.#notes = options.notes;
    this.#answers = new Answers(options);
    this.#decider = new BatchDecider({ ...options, answers: this.#answers });
  }

  /** A batch that is undone; if it cannot be made, the first requests are late, and no worse. */
  async warmUp(): Promise<void> {
    const { session, observer } = this.#options;
    try {
      await session.transaction((tx) => this.#decider.warmUp(tx));
    } catch (error) {
      if (!(error instanceof WarmedUp)) observer.failed('cards', error);
    }
  }

  /** Whether a batch of nobody would have something to write. */
  get hasToTell(): boolean {
    return this.#answers.hasToTell || this.#notes.hasToTell;
  }

  /** A batch of nobody. */
  async tell(): Promise<void> {
    await this.commit({ batch: NOBODY, repeats: NOBODY });
  }

  /** Behind the last batch: until nothing is left to be given back or recorded, unless the database is away. */
  async finish(): Promise<void> {
    await this.#answers.written();
    if (this.hasToTell) await this.tell();
    await repeatWhile(
      () => this.#notes.hasToTell && this.#failures === 0,
      () => this.tell(),
    );
    this.#notes.giveUp();
  }

  /** Who is to be tried again comes back. */
  async commit(taken: TakenRequests): Promise<readonly WaitingRequest[]> {
    let sent: Sent | undefined;
    const startedAt = performance.now();
    try {
      await this.#options.session.transaction(async (tx) => {
        const waitMs = this.#waitsForSettlement ? SETTLEMENT_WAIT_MS : undefined;
        sent = await this.#decider.decide(tx, taken, waitMs);
      });
    } catch (error) {
      return this.#failed([...taken.batch, ...taken.repeats], sent, error);
    }
    this.#failures = 0;
    if (sent === undefined) throw new InvariantViolation('a batch was committed without being sent');
    const { told, segments } = sent;
    this.#answers.recorded(sent);
    this.#notes.recorded(sent.notes.length);
    this.#noteWaits(told);
    const again = this.#answer(told);
    if (segments !== undefined) this.#options.log.publish(await segments);
    const durationMs = performance.now() - startedAt;
    const events = taken.batch.length;
    this.#options.pace.note(events, durationMs);
    this.#notes.tellLost();
    this.#options.observer.committed('cards', { events, durationMs });
    return again;
  }

  #noteWaits(told: readonly Told[]): void {
    const at = performance.now();
    const parts = told.flatMap(({ waiting, asked }) =>
      isHeldUp(waiting) || isAnswerSent(asked) ? [] : [partWaited(asked, at)],
    );
    if (parts.length > 0) this.#options.onWaited(Math.max(...parts));
  }

  /** After the commit; who is to be tried again comes back. */
  #answer(told: readonly Told[]): WaitingRequest[] {
    const again: WaitingRequest[] = [];
    const certain: Certain[] = [];
    for (const { waiting, asked, outcome } of told) {
      this.#queue.noteCardRead(waiting, asked);
      if (outcome.kind === 'decided' || outcome.kind === 'repeated')
        certain.push({ waiting, asked, outcome });
      else if (outcome.kind === 'late' && !waiting.isUnhurried) this.#queue.dropLate(waiting);
      else again.push(waiting);
      if (outcome.kind === 'locked') waiting.wasLocked = true;
      if (outcome.kind === 'contested') waiting.isContested = true;
    }
    this.#answers.give(certain);
    if (isWaitingForSettlement(told)) this.#waitsForSettlement = true;
    return again;
  }

  async #failed(
    batch: readonly WaitingRequest[],
    sent: Sent | undefined,
    error: unknown,
  ): Promise<readonly WaitingRequest[]> {
    if (this.#waitsForSettlement && isLockTimeout(error)) return this.#goOnWithout(batch);
    this.#options.observer.failed('cards', error);
    this.#failures += 1;
    if (sent !== undefined && !isRolledBack(error)) return this.#findOutOrGiveUp(sent);
    // C6: the database is there and has undone the batch; so it can be asked again.
    if (isRolledBack(error) && this.#failures <= LOOKS_MAX)
      for (const waiting of batch) waiting.wasLookedFor = false;
    const isRace = error instanceof DatabaseFault && error.uniqueViolation;
    if (isTransient(error) || (isRace && this.#failures <= RACES_MAX)) {
      await delay(Math.min(backoffMs(this.#failures, this.#options.random), BACKOFF_MAX_MS));
      return this.#queue.isClosed ? giveUpEndless(batch, error) : batch;
    }
    return this.#isolate(batch);
  }

  /** C3: somebody holds a settlement account for longer than a commit; the next batch takes what it can do without. */
  #goOnWithout(batch: readonly WaitingRequest[]): readonly WaitingRequest[] {
    this.#waitsForSettlement = false;
    for (const waiting of batch) {
      waiting.wasLocked = true;
      waiting.wasLookedFor = false;
    }
    return batch;
  }

  /** C5. The records that went along may be at fault as well: they are written by themselves. */
  async #isolate(batch: readonly WaitingRequest[]): Promise<readonly WaitingRequest[]> {
    const notes = this.#notes.takeAll();
    const again = await this.#commitInHalves(batch);
    await this.#notes.record(notes);
    return again;
  }

  async #commitInHalves(batch: readonly WaitingRequest[]): Promise<readonly WaitingRequest[]> {
    const [only] = batch;
    if (only === undefined) return NOBODY;
    if (batch.length === 1) {
      this.#queue.drop(only, 'database');
      return NOBODY;
    }
    const middle = Math.ceil(batch.length / 2);
    const first = await this.commit({ batch: batch.slice(0, middle), repeats: NOBODY });
    return [...first, ...(await this.commit({ batch: batch.slice(middle), repeats: NOBODY }))];
  }

  async #findOutOrGiveUp(sent: Sent): Promise<readonly WaitingRequest[]> {
    try {
      return await this.#findOut(sent);
    } catch (error) {
      this.#answers.abandon(approvedOf(sent.told, 'decided'));
      for (const { waiting } of sent.told) waiting.reject(error);
      return NOBODY;
    }
  }

  // C4
  async #findOut({ told, notes }: Sent): Promise<readonly WaitingRequest[]> {
    const decided = told.filter(({ outcome }) => outcome.kind === 'decided');
    const records = [...decided.map(({ asked }) => this.#notes.make(asked, 'database')), ...notes];
    const lost =
      records.length === 0
        ? new Map<string, CardTransaction>()
        : await this.#notes.insert(records, {
            isStopping: () => this.#queue.isClosed,
            onFailure: (error) => this.#queue.dropLateMeanwhile({ canBeAsked: isRolledBack(error) }),
          });
    this.#notes.recorded(notes.length);
    this.#answers.noteRowBehind();
    const applied: Told[] = [];
    for (const each of told) {
      const undone = lost.get(each.waiting.asked.uuid);
      if (undone !== undefined) each.waiting.resolve(authorizedOf(each.asked, undone));
      // C7: the lock under which a repeat was to be told is gone with the commit.
      else if (each.outcome.kind === 'repeated') applied.push({ ...each, outcome: { kind: 'contested' } });
      else applied.push(each);
    }
    return this.#answer(applied);
  }
}
