/**
 * What was decided, on its way to whoever asked, and its approvals until they are answered or given back (authorizer.ts, C1, C2, C7).
 * A batch writes what is to be known of them, and says so when it has committed.
 */

import type { Transaction } from '#platform/postgres/session.ts';
import { type CardAuthorization, isTooLateToTell } from './answer-way.ts';
import type { CardTransaction } from './card-transaction.ts';
import { saveDecider } from './confirmation-store.ts';
import type { LateReversals } from './late-reversals.ts';
import { lockFreeCardTransactions } from './store.ts';
import { approvedOf, type Certain, type Sent } from './told.ts';
import { authorizedOf, type WaitingRequest } from './waiting-request.ts';

/** So many answers take milliseconds. */
const MANY_ANSWERS = 50;
/** Repeats that were told and wait to be confirmed; more of them stay unconfirmed, which is the safe side. */
const CONFIRMATIONS_MAX = 5000;

export interface AnswersOptions {
  readonly processUuid: string;
  readonly batchMax: number;
  readonly lateReversals: Pick<LateReversals, 'reverse'>;
  /** There is something to tell in the row of this process. */
  readonly onSettled: () => void;
}

export class Answers {
  readonly #options: AnswersOptions;
  /** C2: approved and committed, on the way to be answered or given back. */
  readonly #unanswered = new Map<string, CardTransaction>();
  /** What could not be given back although the database answers, or found out at all: for a person. */
  #abandoned: readonly CardTransaction[] = [];
  /** What repeats were told, to be confirmed (C7). */
  #confirmations: readonly CardTransaction[] = [];
  /** Answers that are being written, and approvals that are being given back. */
  readonly #underWay = new Set<Promise<void>>();
  /** Whether the row of this process names approvals that are answered by now. */
  #isRowBehind = false;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  get hasToTell(): boolean {
    return this.#isRowBehind || this.#abandoned.length > 0 || this.#confirmations.length > 0;
  }

  get abandoned(): readonly CardTransaction[] {
    return this.#abandoned;
  }

  /** Resolves when nothing is under way any more. */
  async written(): Promise<void> {
    while (this.#underWay.size > 0) {
      // oxlint-disable-next-line no-await-in-loop -- an answer may turn out to be too late, and is then given back
      await Promise.all(this.#underWay);
    }
  }

  /** C2: what the row names then; undefined if it need not be written. */
  saveRow(tx: Transaction, approved: readonly CardTransaction[]): number | undefined {
    if (approved.length === 0 && !this.#isRowBehind) return undefined;
    const pending = [...this.#unanswered.values(), ...approved];
    saveDecider(tx, this.#options.processUuid, pending);
    return pending.length;
  }

  /** What somebody else has locked is confirmed by a later batch. */
  async lockConfirmations(tx: Transaction): Promise<CardTransaction[]> {
    const locked = await lockFreeCardTransactions(tx, this.#confirmations.slice(0, this.#options.batchMax));
    return locked.map(({ cardTransaction }) => cardTransaction);
  }

  /** By what was written, not by what is open now: some of them may have been settled meanwhile. */
  recorded({ pending, abandoned, confirmed }: Pick<Sent, 'pending' | 'abandoned' | 'confirmed'>): void {
    if (pending !== undefined) this.#isRowBehind = pending > 0;
    this.#abandoned = this.#abandoned.slice(abandoned.length);
    this.#confirmations = this.#confirmations.filter(({ uuid }) => !confirmed.has(uuid));
  }

  noteRowBehind(): void {
    this.#isRowBehind = true;
  }

  /** After the commit. */
  give(certain: readonly Certain[]): void {
    if (certain.length < MANY_ANSWERS) for (const each of certain) this.#tell(each);
    else this.#tellSoon(certain);
  }

  /** For a person, unless they are confirmed, or were never committed. */
  abandon(approved: readonly CardTransaction[]): void {
    this.#abandoned = [...this.#abandoned, ...approved];
    this.#isRowBehind = true;
  }

  /** They are written while the server loads the next batch. C2: not answered until then. */
  #tellSoon(certain: readonly Certain[]): void {
    const approved = approvedOf(certain, 'decided');
    for (const each of approved) this.#unanswered.set(each.uuid, each);
    this.#watch(
      new Promise((resolve) => {
        setImmediate(() => {
          for (const { uuid } of approved) this.#unanswered.delete(uuid);
          for (const each of certain) this.#tell(each);
          resolve();
        });
      }),
    );
  }

  #watch(underWay: Promise<void>): void {
    this.#underWay.add(underWay);
    void underWay.finally(() => this.#underWay.delete(underWay));
  }

  // C1
  #tell({ waiting, asked, outcome: { cardTransaction, kind } }: Certain): void {
    const repeated = kind === 'repeated';
    if (!repeated && cardTransaction.code === '00' && isTooLateToTell(asked, performance.now())) {
      this.#giveBack(waiting, cardTransaction);
      return;
    }
    if (repeated) this.#noteRepeated(asked, cardTransaction);
    waiting.resolve(authorizedOf(asked, cardTransaction, { repeated }));
  }

  // C7
  #noteRepeated(asked: CardAuthorization, told: CardTransaction): void {
    if (told.code !== '00' || asked.isGone()) return;
    if (this.#confirmations.length < CONFIRMATIONS_MAX) this.#confirmations = [...this.#confirmations, told];
  }

  #giveBack(waiting: WaitingRequest, approved: CardTransaction): void {
    this.#unanswered.set(approved.uuid, approved);
    this.#watch(
      this.#reverse(waiting, approved).catch((error: unknown) => {
        this.abandon([approved]);
        this.#settled(approved);
        waiting.reject(error);
      }),
    );
  }

  async #reverse(waiting: WaitingRequest, approved: CardTransaction): Promise<void> {
    const { asked, resolve } = waiting;
    const after = await this.#options.lateReversals.reverse(approved, asked);
    // It stands, for a repeat that may have come too late as well.
    if (after.code === '00' && asked.isGone()) this.abandon([after]);
    this.#settled(approved);
    resolve(authorizedOf(asked, after));
  }

  #settled({ uuid }: CardTransaction): void {
    this.#unanswered.delete(uuid);
    this.#isRowBehind = true;
    this.#options.onSettled();
  }
}
