/**
 * The deciding batches: one worker per process, with a session of its own, so that no load of payments stands in front of
 * it. It takes what arrived while the last commit ran, locks the balances of the cards that nobody else has, decides, and
 * commits (K5, K6, docs/adr/0018).
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
import type { Clock } from '#kernel/clock.ts';
import { Fault, InvariantViolation } from '#kernel/fault.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { restUntil } from '#platform/batch/pace.ts';
import { repeatWhile } from '#platform/batch/repeat.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import { Signal } from '#platform/batch/signal.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { DatabaseFault, isTransient } from '#platform/postgres/faults.ts';
import type { Session, Transaction } from '#platform/postgres/session.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { asCardSays, type CardAuthorization, isAnswerSent, isLate, partWaited } from './answer-way.ts';
import { Answers } from './answers.ts';
import { authorizeCardTransaction, claimRef, undecided } from './authorize-card-transaction.ts';
import { BatchPace } from './batch-pace.ts';
import type { CardTransaction, Reason } from './card-transaction.ts';
import { confirm, markRepeated, markUnconfirmed, saveDecider } from './confirmation-store.ts';
import {
  type Authorized,
  approvedOf,
  authorizedOf,
  type Certain,
  cardOf,
  draftsOf,
  holdOf,
  isLockTimeout,
  isRolledBack,
  isThere,
  isWaitingForSettlement,
  momentOf,
  type Note,
  noteDrafts,
  notesFor,
  originOf,
  recordedAt,
  type Sent,
  type Told,
  type Waiting,
} from './deciding-batch.ts';
import { FairQueue } from './fair-queue.ts';
import type { LateReversals } from './late-reversals.ts';
import { loadCardBatch } from './load-card-batch.ts';
import { decisionEvents } from './render-events.ts';
import { RulesCache } from './rules-cache.ts';
import { SendingCards } from './sending-cards.ts';
import { insertCardTransactions, insertOpenHolds } from './store.ts';
import { UndecidedNotes } from './undecided-notes.ts';
import { ORIGIN_OF_WARM_UP, WARM_UP, WarmedUp } from './warm-up.ts';

/**
 * Least time between the starts of two batches, if the first was not alone: a dozen statements and the heads of all partitions
 * cost the same for ten requests as for a hundred. Of 100 ms, most are the caller's network's and the commit's.
 */
const PACE_MS = 10;
/** A batch this large was not alone. */
const COMPANY = 8;
/** From here on the server begins with the first of a batch's rows while the others are being made: one wake-up more. */
const LARGE_BATCH = 50;
/**
 * Requests waiting beyond this could not be answered in time by any batch; of those whose answer is sent as many, which take no
 * place from the others.
 */
const QUEUE_MAX = 5000;
/** Before another look at cards that were locked. */
const LOCKED_PAUSE_MS = 2;
/**
 * For a settlement account that another process has locked, where nothing can be decided without it: as long as a commit
 * takes, not as long as a process that is stopped.
 */
const SETTLEMENT_WAIT_MS = 20;
/** How long answered approvals stand in the row of an idle process as if they were not. */
const IDLE_SETTLE_MS = 50;
/** Only a wake-up brings work, and it is a level that cannot be missed; this bounds the damage if that is wrong. */
const IDLE_LOOK_MS = 60_000;
/** What is held of a two-step card transaction is given back after this: as long as networks take to present it. */
const HOLD_MS = 7 * 24 * 3_600_000;

export type { CardAuthorization } from './answer-way.ts';
export type { Authorized } from './deciding-batch.ts';

export interface AuthorizerOptions {
  /** Of the process: nobody else's, also not of one that had its place before. */
  readonly processUuid: string;
  readonly ledger: Ledger;
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: () => number;
  readonly batchMax: number;
  readonly observer: BatchObserver;
  readonly lateReversals: Pick<LateReversals, 'reverse'>;
  /** Which part of their time the slowest of a batch had to wait, of those that nothing but the load held up. */
  readonly onWaited: (part: number) => void;
}

export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #rules = new RulesCache();
  readonly #signal = new Signal();
  readonly #queue = new FairQueue<Waiting>({
    keyOf: cardOf,
    isPatient: (waiting) => this.#isPatient(waiting),
  });
  /** C3: what was left out of a batch at least once. */
  readonly #locked = new WeakSet<Waiting>();
  /** C6: who was looked for. If the look failed because the database is gone, nobody is made to wait for it. */
  readonly #lookedFor = new WeakSet<Waiting>();
  /** C7: repeats that found what is not certain yet. They are told when it is, however late. */
  readonly #contested = new WeakSet<Waiting>();
  /** Whose card had its answer sent when a batch last read it: a batch that reads it again says whether they are late. */
  readonly #unhurried = new WeakSet<Waiting>();
  readonly #sendingCards = new SendingCards();
  /** C3: whether a settlement account is waited for. As long as it comes, that is fair; if it does not, others are decided first. */
  #waitsForSettlement = false;
  readonly #answers: Answers;
  readonly #notes: UndecidedNotes;
  readonly #pace: BatchPace;
  #failures = 0;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#pace = new BatchPace(options.batchMax);
    this.#answers = new Answers({ ...options, onSettled: () => this.#signal.raise() });
    this.#notes = new UndecidedNotes(options);
  }

  /** Also opens the session and has it plan its statements: the first request has no time for that. */
  async start(): Promise<void> {
    await this.#warmUp();
    this.#running ??= repeatWhile(
      () => !this.#stopping || this.#queue.size > 0,
      () => this.#turn(),
    );
  }

  /** A batch that is undone; if it cannot be made, the first requests are late, and no worse. */
  async #warmUp(): Promise<void> {
    const { session, ledger, clock, log, observer } = this.#options;
    try {
      await session.transaction(async (tx) => {
        await loadCardBatch(tx, { ledger, rules: this.#rules }, [WARM_UP]);
        ledger.prepare(tx);
        const moment = { now: clock.now(), latencyMs: 0, isLate: false };
        const record = undecided(WARM_UP, moment, 'unknown_account');
        const drafts = decisionEvents(record, undefined, ORIGIN_OF_WARM_UP);
        insertCardTransactions(tx, [record]);
        saveDecider(tx, this.#options.processUuid, []);
        await sendDrafts(tx, { topic: 'cards', partitions: log.partitions, occurredAt: moment.now, drafts });
        throw new WarmedUp();
      });
    } catch (error) {
      if (!(error instanceof WarmedUp)) observer.failed('cards', error);
    }
  }

  /** What cannot be decided is a `07` with its reason. Rejects only if neither would be true, or the process stops before it is known. */
  authorize(asked: CardAuthorization): Promise<Authorized> {
    const isUnhurried = this.#sendingCards.mayAnswer(asked);
    const before = isUnhurried || isAnswerSent(asked) ? this.#queue.patient : this.#queue.hurried;
    if (this.#stopping || before >= QUEUE_MAX) {
      if (claimRef(asked) === undefined && !isAnswerSent(asked))
        return Promise.resolve({
          cardTransaction: this.#note(asked, 'overloaded'),
          repeated: false,
          isSent: false,
        });
      // C6: whether an approval stands under its id could not be looked for. An answer that is owed must be certain to be told.
      return Promise.reject(new Fault('too many card transactions are waiting', { transient: true }));
    }
    return new Promise((resolve, reject) => {
      const waiting = { asked, resolve, reject };
      if (isUnhurried) this.#unhurried.add(waiting);
      this.#queue.push(waiting);
      this.#signal.raise();
    });
  }

  /** Decides what is waiting, then stops, when nothing is left to be given back or recorded, unless the database is away. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    await this.#running;
    await this.#answers.written();
    if (this.#hasToTell) await this.#settle([]);
    await repeatWhile(
      () => this.#notes.hasToTell && this.#failures === 0,
      async () => void (await this.#settle([])),
    );
    this.#notes.giveUp();
  }

  async #turn(): Promise<void> {
    const startedAt = performance.now();
    const { limit } = this.#pace;
    const late = this.#takeLate();
    const batch = this.#queue.take(limit, startedAt);
    const repeats = late.slice(0, limit);
    for (const waiting of repeats) this.#lookedFor.add(waiting);
    // Behind the batch was taken: they are not to be decided in it.
    this.#queue.push(...late.slice(limit));
    if (batch.length + repeats.length === 0) {
      await (this.#queue.size === 0 ? this.#rest() : delay(LOCKED_PAUSE_MS));
      return;
    }
    const again = await this.#settle(batch, repeats);
    this.#putBack(again);
    if (again.length > 0 && this.#queue.size === again.length) await delay(LOCKED_PAUSE_MS);
    if (!this.#stopping && batch.length >= COMPANY) await restUntil(startedAt + PACE_MS);
  }

  /** C3: behind all others, and not at once: what is locked mostly is for some ms. */
  #putBack(again: readonly Waiting[]): void {
    const until = performance.now() + LOCKED_PAUSE_MS;
    for (const waiting of again) this.#queue.setAside(waiting, until);
    this.#queue.push(...again);
  }

  /** Waits for work; if there is none for a moment, says what was answered meanwhile. */
  async #rest(): Promise<void> {
    await this.#signal.wait(this.#hasToTell ? IDLE_SETTLE_MS : IDLE_LOOK_MS);
    if (this.#queue.size === 0 && this.#hasToTell) await this.#settle([]);
  }

  get #hasToTell(): boolean {
    return this.#answers.hasToTell || this.#notes.hasToTell;
  }

  /**
   * Takes what is late already, or would be when it is decided, off the queue, and drops it; but what may be a repeat (C6),
   * or of a card that has its answers sent (K10), comes back, to be looked for once: no more in a turn than a batch takes.
   */
  #takeLate(): Waiting[] {
    const decidedAt = performance.now() + this.#pace.expectedMs(this.#queue.size);
    const late = this.#queue.takeHurried(({ asked }) => isLate(asked, decidedAt));
    const mayBeInTime = (waiting: Waiting): boolean =>
      this.#contested.has(waiting) ||
      ((claimRef(waiting.asked) !== undefined || waiting.asked.reading.isSentAsCardSays) &&
        !this.#lookedFor.has(waiting));
    for (const waiting of late) if (!mayBeInTime(waiting)) this.#dropLate(waiting);
    return late.filter(mayBeInTime);
  }

  /** Decides the batch; what is to be tried again comes back. */
  async #settle(batch: readonly Waiting[], repeats: readonly Waiting[] = []): Promise<readonly Waiting[]> {
    let sent: Sent | undefined;
    const startedAt = performance.now();
    try {
      await this.#options.session.transaction(async (tx) => {
        sent = await this.#decide(tx, batch, repeats);
      });
    } catch (error) {
      return this.#failed([...batch, ...repeats], sent, error);
    }
    this.#failures = 0;
    if (sent === undefined) throw new InvariantViolation('a batch was committed without being sent');
    const { told, notes, abandoned, confirmed, pending, segments } = sent;
    this.#answers.recorded({ pending, abandoned, confirmed });
    this.#notes.recorded(notes.length);
    this.#noteWaits(told);
    const locked = this.#answer(told);
    if (segments !== undefined) this.#options.log.publish(await segments);
    const durationMs = performance.now() - startedAt;
    this.#pace.note(batch.length, durationMs);
    this.#notes.tellLost();
    this.#options.observer.committed('cards', { events: batch.length, durationMs });
    return locked;
  }

  async #decide(tx: Transaction, batch: readonly Waiting[], repeats: readonly Waiting[]): Promise<Sent> {
    const { ledger, clock, log } = this.#options;
    const loaded = await loadCardBatch(
      tx,
      {
        ledger,
        rules: this.#rules,
        waitForSharedMs: this.#waitsForSettlement ? SETTLEMENT_WAIT_MS : undefined,
      },
      batch.map(({ asked }) => asked),
      repeats.map(({ asked }) => asked),
    );
    const confirmed = await this.#answers.lockConfirmations(tx);
    const now = clock.now();
    const at = performance.now();
    const tell = (waiting: Waiting, late: { isLate?: true } = {}): Told => {
      const asked = asCardSays(waiting.asked, loaded.cards);
      const moment = { ...momentOf(asked, { now, at }), ...late };
      return { waiting, asked, outcome: authorizeCardTransaction(loaded, asked, moment) };
    };
    const told = [
      ...batch.map((waiting) => tell(waiting)),
      ...repeats.map((waiting) => tell(waiting, { isLate: true })),
    ];
    const notes = this.#notes
      .first(notesFor(batch.length, this.#options.batchMax))
      .map((note) => recordedAt(note, now));
    const decided = told.flatMap(({ outcome }) =>
      outcome.kind === 'decided' ? outcome.cardTransaction : [],
    );
    const sendEarly = told.length < LARGE_BATCH ? () => undefined : () => tx.flush();
    ledger.saveBooks(tx, loaded.books, now);
    sendEarly();
    insertCardTransactions(tx, [...decided, ...notes.map(({ cardTransaction }) => cardTransaction)]);
    sendEarly();
    insertOpenHolds(tx, told.flatMap(holdOf), now + HOLD_MS);
    markRepeated(tx, approvedOf(told.filter(isThere), 'repeated'), now);
    confirm(tx, confirmed, now);
    const { abandoned } = this.#answers;
    const pending = this.#answers.saveRow(tx, approvedOf(told, 'decided'));
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

  /** After the commit; what is to be tried again comes back. */
  #answer(told: readonly Told[]): Waiting[] {
    const locked: Waiting[] = [];
    const contested: Waiting[] = [];
    const unhurried: Waiting[] = [];
    const certain: Certain[] = [];
    for (const { waiting, asked, outcome } of told) {
      this.#noteUnhurried(waiting, asked);
      if (outcome.kind === 'locked') locked.push(waiting);
      else if (outcome.kind === 'contested') contested.push(waiting);
      else if (outcome.kind !== 'late') certain.push({ waiting, asked, outcome });
      else if (this.#unhurried.has(waiting)) unhurried.push(waiting);
      else this.#dropLate(waiting);
    }
    this.#answers.give(certain);
    if (isWaitingForSettlement(told)) this.#waitsForSettlement = true;
    for (const waiting of locked) this.#locked.add(waiting);
    for (const waiting of contested) this.#contested.add(waiting);
    return [...locked, ...contested, ...unhurried];
  }

  #noteWaits(told: readonly Told[]): void {
    const at = performance.now();
    const parts = told.flatMap(({ waiting, asked }) =>
      this.#isHeldUp(waiting) || isAnswerSent(asked) ? [] : [partWaited(asked, at)],
    );
    if (parts.length > 0) this.#options.onWaited(Math.max(...parts));
  }

  /** By what others have locked, or what is not certain yet: not by the load. */
  #isHeldUp(waiting: Waiting): boolean {
    return this.#locked.has(waiting) || this.#contested.has(waiting);
  }

  #isPatient(waiting: Waiting): boolean {
    return isAnswerSent(waiting.asked) || this.#unhurried.has(waiting);
  }

  /** Where too many such wait already, it stays one of those that have a deadline. */
  #noteUnhurried(waiting: Waiting, asked: CardAuthorization): void {
    this.#sendingCards.note(asked);
    if (!isAnswerSent(asked)) this.#unhurried.delete(waiting);
    else if (this.#queue.patient < QUEUE_MAX) this.#unhurried.add(waiting);
  }

  #dropLate(waiting: Waiting): void {
    this.#drop(waiting, this.#locked.has(waiting) ? 'locked' : 'late');
    if (!this.#isHeldUp(waiting)) this.#options.onWaited(1);
  }

  #drop(waiting: Waiting, reason: Reason): void {
    const { asked, resolve, reject } = waiting;
    // Its `07` would be sent, and who is told so must be certain that it is owed: nothing durable says it yet.
    if (isAnswerSent(asked))
      reject(new Fault('a card transaction could not be decided', { transient: true }));
    else resolve(authorizedOf(asked, this.#note(asked, reason)));
  }

  #note(asked: CardAuthorization, reason: Reason): CardTransaction {
    const moment = momentOf(asked, { now: this.#options.clock.now(), at: performance.now() });
    const cardTransaction = undecided(asked, moment, reason);
    this.#notes.add({ cardTransaction, origin: originOf(asked) });
    return cardTransaction;
  }

  async #failed(
    batch: readonly Waiting[],
    sent: Sent | undefined,
    error: unknown,
  ): Promise<readonly Waiting[]> {
    if (this.#waitsForSettlement && isLockTimeout(error)) return this.#goOnWithout(batch);
    this.#options.observer.failed('cards', error);
    this.#failures += 1;
    if (sent !== undefined && !isRolledBack(error)) return this.#findOutOrGiveUp(sent);
    // C6: the database is there and has undone the batch; so it can be asked again.
    if (isRolledBack(error) && this.#failures <= LOOKS_MAX)
      for (const waiting of batch) this.#lookedFor.delete(waiting);
    const isRace = error instanceof DatabaseFault && error.uniqueViolation;
    if (isTransient(error) || (isRace && this.#failures <= RACES_MAX)) {
      await delay(Math.min(backoffMs(this.#failures, this.#options.random), BACKOFF_MAX_MS));
      return this.#stopping ? this.#giveUpEndless(batch, error) : batch;
    }
    return this.#isolate(batch);
  }

  /** C3: somebody holds a settlement account for longer than a commit; the next batch takes what it can do without. */
  #goOnWithout(batch: readonly Waiting[]): readonly Waiting[] {
    this.#waitsForSettlement = false;
    for (const waiting of batch) {
      this.#locked.add(waiting);
      this.#lookedFor.delete(waiting);
    }
    return batch;
  }

  /**
   * What no deadline ends. Of what is contested nobody will know any more what became of what it repeats: neither code would be
   * certainly true. Of what would be sent nothing is owed.
   */
  #giveUpEndless(batch: readonly Waiting[], error: unknown): readonly Waiting[] {
    const isEndless = (waiting: Waiting): boolean => this.#contested.has(waiting) || this.#isPatient(waiting);
    for (const waiting of batch) if (isEndless(waiting)) waiting.reject(error);
    return batch.filter((waiting) => !isEndless(waiting));
  }

  /** C5. The records that went along may be at fault as well: they are written by themselves. */
  async #isolate(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const notes = this.#notes.takeAll();
    const again = await this.#settleInHalves(batch);
    await this.#notes.record(notes);
    return again;
  }

  async #settleInHalves(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const [only] = batch;
    if (only === undefined) return [];
    if (batch.length === 1) {
      this.#drop(only, 'database');
      return [];
    }
    const middle = Math.ceil(batch.length / 2);
    const first = await this.#settle(batch.slice(0, middle));
    return [...first, ...(await this.#settle(batch.slice(middle)))];
  }

  async #findOutOrGiveUp(sent: Sent): Promise<readonly Waiting[]> {
    try {
      return await this.#findOut(sent);
    } catch (error) {
      this.#answers.abandon(approvedOf(sent.told, 'decided'));
      for (const { waiting } of sent.told) waiting.reject(error);
      return [];
    }
  }

  // C4
  async #findOut({ told, notes }: Sent): Promise<readonly Waiting[]> {
    const decided = told.filter(({ outcome }) => outcome.kind === 'decided');
    const records = [...decided.map(({ asked }) => this.#asUndecided(asked)), ...notes];
    const lost =
      records.length === 0
        ? new Map<string, CardTransaction>()
        : await this.#notes.insert(records, {
            isStopping: () => this.#stopping,
            onFailure: (error) => this.#dropMeanwhile(error),
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

  /** C4. What may be a repeat is dropped too, if the database cannot be asked (C6). */
  #dropMeanwhile(error: unknown): void {
    for (const waiting of this.#takeLate())
      if (isRolledBack(error) || this.#contested.has(waiting)) this.#queue.push(waiting);
      else this.#dropLate(waiting);
  }

  #asUndecided(asked: CardAuthorization): Note {
    const moment = momentOf(asked, { now: this.#options.clock.now(), at: performance.now() });
    return { cardTransaction: undecided(asked, moment, 'database'), origin: originOf(asked) };
  }
}

/** An id that another process claims meanwhile is found by the next try; what collides more often is faster in halves. */
const RACES_MAX = 4;
/** Batches that failed one behind the other, after which who comes late is not looked for again: it would wait for ever. */
const LOOKS_MAX = 4;
/** A deadline leaves no time for longer. */
const BACKOFF_MAX_MS = 20;
