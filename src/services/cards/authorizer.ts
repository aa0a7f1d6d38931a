/**
 * The deciding batches: one worker per process, with a session of its own, so that no load of payments stands in front of
 * it. It takes what arrived while the last commit ran (request-queue.ts), locks the balances of the cards that nobody else has,
 * decides (decide-batch.ts), commits and answers (commit-batch.ts; K5, K6, docs/adr/0018).
 *
 * C1: `07` means not applied. Before COMMIT is sent, what is late is dropped; after it, no `07` until the outcome is known,
 *     and if the answer is late then, or its caller gone, what was approved is given back first.
 * C2: an approval that is not answered yet stands in this process's row, written in the commit that approves it. Whoever
 *     finds the row without its process marks them (watch.ts).
 * C3: a card that somebody else has locked is left out of the batch and tried behind the others, until its deadline; so are
 *     all cards whose settlement account is.
 * C4: if a commit was lost from sight, each card transaction of it is inserted as undecided unless it is there. That waits
 *     for the lost commit where it still runs; afterwards one of the two is certain, and nothing of the other. Nothing else is
 *     decided until then: who waits behind it is told by his deadline (K7).
 * C5: one bad request never harms the others: a batch that fails on data is halved until it stands alone (R6).
 * C6: a repeat is never told `07` for coming too late where an approval stands under its id: it is looked for first.
 * C7: a repeat is told `00` by the commit that marks the row as repeated, under its lock; what is marked is not given back for
 *     being late. It is confirmed when the answer was sent to somebody who was there.
 * So the two agree, whichever is first, in whatever process.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { restUntil } from '#platform/batch/pace.ts';
import { repeatWhile } from '#platform/batch/repeat.ts';
import { Signal } from '#platform/batch/signal.ts';
import type { CardAuthorization } from './answer-way.ts';
import { BatchPace } from './batch-pace.ts';
import { BatchCommitter, type BatchCommitterOptions } from './commit-batch.ts';
import { LOCKED_PAUSE_MS, RequestQueue } from './request-queue.ts';
import { UndecidedNotes } from './undecided-notes.ts';
import type { Authorized } from './waiting-request.ts';

/**
 * Least time between the starts of two batches, if the first was not alone: a dozen statements and the heads of all partitions
 * cost the same for ten requests as for a hundred. Of 100 ms, most are the caller's network's and the commit's.
 */
const PACE_MS = 10;
/** A batch this large was not alone. */
const COMPANY = 8;
/** How long answered approvals stand in the row of an idle process as if they were not. */
const IDLE_SETTLE_MS = 50;
/** Only a wake-up brings work, and it is a level that cannot be missed; this bounds the damage if that is wrong. */
const IDLE_LOOK_MS = 60_000;

export type { CardAuthorization } from './answer-way.ts';
export type { Authorized } from './waiting-request.ts';

export type AuthorizerOptions = Omit<BatchCommitterOptions, 'queue' | 'notes' | 'pace' | 'onSettled'>;

export class Authorizer {
  readonly #signal = new Signal();
  readonly #queue: RequestQueue;
  readonly #batches: BatchCommitter;
  #running: Promise<void> | undefined;

  constructor(options: AuthorizerOptions) {
    const pace = new BatchPace(options.batchMax);
    const notes = new UndecidedNotes(options);
    this.#queue = new RequestQueue({ ...options, notes, pace });
    this.#batches = new BatchCommitter({
      ...options,
      notes,
      pace,
      queue: this.#queue,
      onSettled: () => this.#signal.raise(),
    });
  }

  /** Also opens the session and has it plan its statements: the first request has no time for that. */
  async start(): Promise<void> {
    await this.#batches.warmUp();
    this.#running ??= repeatWhile(
      () => !this.#queue.isClosed || this.#queue.size > 0,
      () => this.#turn(),
    );
  }

  /** What cannot be decided is a `07` with its reason. Rejects only if neither would be true, or the process stops before it is known. */
  authorize(asked: CardAuthorization): Promise<Authorized> {
    const answer = this.#queue.wait(asked);
    this.#signal.raise();
    return answer;
  }

  /** Decides what is waiting, then stops, when nothing is left to be given back or recorded, unless the database is away. */
  async stop(): Promise<void> {
    this.#queue.close();
    this.#signal.raise();
    await this.#running;
    await this.#batches.finish();
  }

  async #turn(): Promise<void> {
    const startedAt = performance.now();
    const taken = this.#queue.take(startedAt);
    const { batch, repeats } = taken;
    if (batch.length + repeats.length === 0) {
      await (this.#queue.size === 0 ? this.#rest() : delay(LOCKED_PAUSE_MS));
      return;
    }
    const again = await this.#batches.commit(taken);
    this.#queue.putBack(again);
    if (again.length > 0 && this.#queue.size === again.length) await delay(LOCKED_PAUSE_MS);
    if (!this.#queue.isClosed && batch.length >= COMPANY) await restUntil(startedAt + PACE_MS);
  }

  /** Waits for work; if there is none for a moment, says what was answered meanwhile. */
  async #rest(): Promise<void> {
    await this.#signal.wait(this.#batches.hasToTell ? IDLE_SETTLE_MS : IDLE_LOOK_MS);
    if (this.#queue.size === 0 && this.#batches.hasToTell) await this.#batches.tell();
  }
}
