/**
 * What a deciding batch does in its transaction: takes the locks that are free, loads, decides one request behind the other in
 * memory, and sends everything that is to be committed (R2, R3).
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { Books, Ledger } from '#services/ledger/contract.ts';
import { asCardSays } from './answer-way.ts';
import type { Answers } from './answers.ts';
import { authorizeCardTransaction, type CardBatch } from './authorize-card-transaction.ts';
import type { CardTransaction } from './card-transaction.ts';
import { confirm, markRepeated, markUnconfirmed, saveDecider } from './confirmation-store.ts';
import { insertOpenHolds } from './hold-store.ts';
import { loadCardBatch } from './load-card-batch.ts';
import { decisionEvents } from './render-events.ts';
import type { TakenRequests } from './request-queue.ts';
import { RulesCache } from './rules-cache.ts';
import { insertCardTransactions } from './store.ts';
import {
  approvedOf,
  draftsOf,
  holdOf,
  isThere,
  momentOf,
  type Note,
  noteDrafts,
  notesFor,
  recordedAt,
  type Sent,
  type Told,
} from './told.ts';
import type { UndecidedNotes } from './undecided-notes.ts';
import type { WaitingRequest } from './waiting-request.ts';
import { askedOfNobody, batchOfNobody, ORIGIN_OF_WARM_UP, WarmedUp } from './warm-up.ts';

/** From here on the server begins with the first of a batch's rows while the others are being made: one wake-up more. */
const LARGE_BATCH = 50;
/** What is held of a two-step card transaction is given back after this: as long as networks take to present it. */
const HOLD_MS = 7 * 24 * 3_600_000;

export interface BatchDeciderOptions {
  /** Of the process: nobody else's, also not of one that had its place before. */
  readonly processUuid: string;
  readonly ledger: Ledger;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly batchMax: number;
  readonly answers: Pick<Answers, 'abandoned' | 'lockConfirmations' | 'saveRow'>;
  readonly notes: Pick<UndecidedNotes, 'first'>;
}

interface Decided {
  readonly told: readonly Told[];
  readonly notes: readonly Note[];
  readonly confirmed: readonly CardTransaction[];
}

export class BatchDecider {
  readonly #options: BatchDeciderOptions;
  readonly #rules = new RulesCache();

  constructor(options: BatchDeciderOptions) {
    this.#options = options;
  }

  /** Has the session plan the statements of a batch; throws `WarmedUp`, so that nothing of it is committed. */
  async warmUp(tx: Transaction): Promise<never> {
    const { processUuid, ledger, clock, log } = this.#options;
    const asked = askedOfNobody();
    await loadCardBatch(tx, { ledger, rules: this.#rules }, [asked]);
    ledger.prepare(tx);
    const now = clock.now();
    const batch = batchOfNobody(now);
    const outcome = authorizeCardTransaction(batch, asked, { now, latencyMs: 0, isLate: false });
    if (outcome.kind !== 'decided' || outcome.entry === undefined)
      throw new InvariantViolation(`the card transaction of nobody is not approved but ${outcome.kind}`);
    ledger.saveBooks(tx, batch.books, now);
    insertCardTransactions(tx, [outcome.cardTransaction]);
    saveDecider(tx, processUuid, []);
    const drafts = decisionEvents(outcome.cardTransaction, outcome.entry, ORIGIN_OF_WARM_UP);
    await sendDrafts(tx, { topic: 'cards', partitions: log.partitions, occurredAt: now, drafts });
    throw new WarmedUp();
  }

  /** `waitForSharedMs`: how long for a settlement account that somebody else has locked; undefined: not. */
  async decide(
    tx: Transaction,
    { batch, repeats }: TakenRequests,
    waitForSharedMs: number | undefined,
  ): Promise<Sent> {
    const { ledger, clock, batchMax, answers, notes } = this.#options;
    const loaded = await loadCardBatch(
      tx,
      { ledger, rules: this.#rules, waitForSharedMs },
      batch.map(({ asked }) => asked),
      repeats.map(({ asked }) => asked),
    );
    const confirmed = await answers.lockConfirmations(tx);
    const now = clock.now();
    const decided = {
      told: tell(loaded, { batch, repeats }, { now, at: performance.now() }),
      notes: notes.first(notesFor(batch.length, batchMax)).map((note) => recordedAt(note, now)),
      confirmed,
    };
    return this.#save(tx, loaded.books, decided, now);
  }

  #save(tx: Transaction, books: Books, { told, notes, confirmed }: Decided, now: EpochMs): Sent {
    const { ledger, log, answers } = this.#options;
    const decided = told.flatMap(({ outcome }) =>
      outcome.kind === 'decided' ? outcome.cardTransaction : [],
    );
    const sendEarly = told.length < LARGE_BATCH ? () => undefined : () => tx.flush();
    ledger.saveBooks(tx, books, now);
    sendEarly();
    insertCardTransactions(tx, [...decided, ...notes.map(({ cardTransaction }) => cardTransaction)]);
    sendEarly();
    insertOpenHolds(tx, told.flatMap(holdOf), now + HOLD_MS);
    markRepeated(tx, approvedOf(told.filter(isThere), 'repeated'), now);
    confirm(tx, confirmed, now);
    const { abandoned } = answers;
    const pending = answers.saveRow(tx, approvedOf(told, 'decided'));
    // Behind the row: it waits for a commit of ours that was lost from sight, if that still runs.
    markUnconfirmed(tx, abandoned, now);
    const drafts = [...told.flatMap(draftsOf), ...notes.flatMap(noteDrafts)];
    const segments = sendDrafts(tx, { topic: 'cards', partitions: log.partitions, occurredAt: now, drafts });
    return {
      told,
      notes,
      abandoned,
      confirmed: new Set(confirmed.map(({ uuid }) => uuid)),
      pending,
      segments,
    };
  }
}

/** One behind the other: what is decided of one, the next finds done. */
function tell(
  loaded: CardBatch,
  { batch, repeats }: TakenRequests,
  when: { readonly now: EpochMs; readonly at: number },
): Told[] {
  const tellOne = (waiting: WaitingRequest, late: { isLate?: true } = {}): Told => {
    const asked = asCardSays(waiting.asked, loaded.cards);
    const moment = { ...momentOf(asked, when), ...late };
    return { waiting, asked, outcome: authorizeCardTransaction(loaded, asked, moment) };
  };
  return [
    ...batch.map((waiting) => tellOne(waiting)),
    ...repeats.map((waiting) => tellOne(waiting, { isLate: true })),
  ];
}
