/**
 * What was answered `07` without a decision, on its way into the table (K7): with a batch that decides others, or by itself
 * where that batch failed. In the order in which it was answered.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { untilDone } from '#platform/batch/repeat.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { AppendedSegment } from '#platform/log/append.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { isTransient } from '#platform/postgres/faults.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { CardAuthorization } from './answer-way.ts';
import { undecided } from './authorize-card-transaction.ts';
import type { CardTransaction, Reason } from './card-transaction.ts';
import { findCardTransactions, insertUnlessThere } from './store.ts';
import { momentOf, type Note, noteDrafts, originOf, recordedAt } from './told.ts';

/** Waiting to be written; how many more there were is told. */
const WAITING_MAX = 5000;

/** While the database does not say: others wait for it, and are told by their deadlines. */
const AGAIN_MS = { firstMs: 10, maxMs: 100 };

export interface InsertWhile {
  readonly isStopping: () => boolean;
  /** Of one that is tried again. */
  readonly onFailure: (error: unknown) => void;
}

export interface UndecidedNotesOptions {
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: () => number;
  readonly observer: BatchObserver;
}

export class UndecidedNotes {
  readonly #options: UndecidedNotesOptions;
  #waiting: Note[] = [];
  /** What is not recorded either, since that was told. */
  #lost = 0;

  constructor(options: UndecidedNotesOptions) {
    this.#options = options;
  }

  get hasToTell(): boolean {
    return this.#lost > 0 || this.#waiting.length > 0;
  }

  /** Of a request that is told `07` now. */
  make(asked: CardAuthorization, reason: Reason): Note {
    const moment = momentOf(asked, { now: this.#options.clock.now(), at: performance.now() });
    return { cardTransaction: undecided(asked, moment, reason), origin: originOf(asked) };
  }

  /** What it is told; recorded later. */
  add(asked: CardAuthorization, reason: Reason): CardTransaction {
    const note = this.make(asked, reason);
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push(note);
    else this.#lost += 1;
    return note.cardTransaction;
  }

  first(count: number): readonly Note[] {
    return this.#waiting.slice(0, count);
  }

  /** The first ones are in the table. */
  recorded(count: number): void {
    this.#waiting = this.#waiting.slice(count);
  }

  /** For who writes them by themselves (`record`). */
  takeAll(): readonly Note[] {
    const notes = this.#waiting;
    this.#waiting = [];
    return notes;
  }

  /** One that cannot be written keeps none of the others from it. */
  async record(notes: readonly Note[]): Promise<void> {
    if (notes.length === 0) return;
    try {
      await this.#tryToInsert(notes);
    } catch (error) {
      if (isTransient(error)) this.#waiting = [...notes, ...this.#waiting];
      else await this.#recordInHalves(notes, error);
    }
  }

  async #recordInHalves(notes: readonly Note[], error: unknown): Promise<void> {
    if (notes.length === 1) {
      this.#options.observer.failed('cards', error);
      this.#lost += 1;
      return;
    }
    const middle = Math.ceil(notes.length / 2);
    await this.record(notes.slice(0, middle));
    await this.record(notes.slice(middle));
  }

  /** What is not in the table for a person to find is in the log and the metrics. */
  tellLost(): void {
    if (this.#lost === 0) return;
    const told = `${this.#lost} card transactions that were answered 07 could not be recorded`;
    this.#lost = 0;
    this.#options.observer.failed('cards.records', new Fault(told, { transient: false }));
  }

  /** What waits still is not written any more. */
  giveUp(): void {
    this.#lost += this.#waiting.length;
    this.#waiting = [];
    this.tellLost();
  }

  /** Until the database says; whoever waits for the answer waits so long. Those that stand as undecided, by uuid. */
  insert(
    records: readonly Note[],
    { isStopping, onFailure }: InsertWhile,
  ): Promise<ReadonlyMap<string, CardTransaction>> {
    return untilDone(
      () => this.#tryToInsert(records),
      async (error, failures) => {
        this.#options.observer.failed('cards', error);
        if (!isTransient(error) || isStopping()) throw error;
        onFailure(error);
        await delay(backoffMs(failures, this.#options.random, AGAIN_MS));
      },
    );
  }

  async #tryToInsert(records: readonly Note[]): Promise<ReadonlyMap<string, CardTransaction>> {
    const { session, log, clock } = this.#options;
    const now = clock.now();
    const notes = records.map((note) => recordedAt(note, now));
    const cardTransactions = notes.map(({ cardTransaction }) => cardTransaction);
    let segments: Promise<AppendedSegment[]> | undefined;
    const standing = await session.transaction(async (tx) => {
      const inserted = await insertUnlessThere(tx, cardTransactions);
      const drafts = notes.filter(({ cardTransaction: { uuid } }) => inserted.has(uuid)).flatMap(noteDrafts);
      const rows = await findCardTransactions(tx, cardTransactions);
      segments = sendDrafts(tx, { topic: 'cards', partitions: log.partitions, occurredAt: now, drafts });
      return rows;
    });
    if (segments !== undefined) log.publish(await segments);
    // Nothing that is decided has this reason; a try of ours that was lost from sight may have inserted it.
    return new Map(standing.filter(({ reason }) => reason === 'database').map((row) => [row.uuid, row]));
  }
}
