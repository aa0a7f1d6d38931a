/**
 * The requests that wait for a batch, each until its deadline: who is let in, who is decided next, who is too late, and what
 * those are told whom no batch decides (authorizer.ts, C1, C3, C6).
 */
import { Fault } from '#kernel/fault.ts';
import { type CardAuthorization, isAnswerSent, isLate } from './answer-way.ts';
import { claimRef } from './authorize-card-transaction.ts';
import type { BatchPace } from './batch-pace.ts';
import type { Reason } from './card-transaction.ts';
import { FairQueue } from './fair-queue.ts';
import { SendingCards } from './sending-cards.ts';
import type { UndecidedNotes } from './undecided-notes.ts';
import {
  type Authorized,
  authorizedOf,
  cardOf,
  isHeldUp,
  isPatient,
  isToBeLookedFor,
  type WaitingRequest,
} from './waiting-request.ts';

/**
 * Requests waiting beyond this could not be answered in time by any batch; of those whose answer is sent as many, which take no
 * place from the others.
 */
const QUEUE_MAX = 5000;
/** Before another look at cards that were locked. */
export const LOCKED_PAUSE_MS = 2;

export interface RequestQueueOptions {
  readonly notes: Pick<UndecidedNotes, 'add'>;
  readonly pace: Pick<BatchPace, 'limit' | 'expectedMs'>;
  /** Which part of its time a request had to wait that nothing but the load held up. */
  readonly onWaited: (part: number) => void;
}

export interface TakenRequests {
  readonly batch: readonly WaitingRequest[];
  /** Late; only what they may repeat is looked for. */
  readonly repeats: readonly WaitingRequest[];
}

export class RequestQueue {
  readonly #options: RequestQueueOptions;
  readonly #waiting = new FairQueue<WaitingRequest>({ keyOf: cardOf, isPatient });
  readonly #sendingCards = new SendingCards();
  #isClosed = false;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Nobody is let in any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Resolves with the answer. */
  wait(asked: CardAuthorization): Promise<Authorized> {
    const isUnhurried = this.#sendingCards.mayAnswer(asked);
    const before = isUnhurried || isAnswerSent(asked) ? this.#waiting.patient : this.#waiting.hurried;
    if (this.#isClosed || before >= QUEUE_MAX) return this.#turnAway(asked);
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        asked,
        resolve,
        reject,
        wasLocked: false,
        wasLookedFor: false,
        isContested: false,
        isUnhurried,
      });
    });
  }

  #turnAway(asked: CardAuthorization): Promise<Authorized> {
    // C6: whether an approval stands under its id could not be looked for. An answer that is owed must be certain to be told.
    if (claimRef(asked) !== undefined || isAnswerSent(asked))
      return Promise.reject(new Fault('too many card transactions are waiting', { transient: true }));
    return Promise.resolve(authorizedOf(asked, this.#options.notes.add(asked, 'overloaded')));
  }

  /** What a batch is to decide, and to look for: no more of either than one takes. */
  take(now: number): TakenRequests {
    const { limit } = this.#options.pace;
    const late = this.#takeLate();
    const batch = this.#waiting.take(limit, now);
    const repeats = late.slice(0, limit);
    for (const waiting of repeats) waiting.wasLookedFor = true;
    // Behind the batch was taken: they are not to be decided in it.
    this.#waiting.push(...late.slice(limit));
    return { batch, repeats };
  }

  /** C3: behind all others, and not at once: what is locked mostly is for some ms. */
  putBack(again: readonly WaitingRequest[]): void {
    const until = performance.now() + LOCKED_PAUSE_MS;
    for (const waiting of again) this.#waiting.setAside(waiting, until);
    this.#waiting.push(...again);
  }

  /** Without a batch, as long as there can be none. Of what may be a repeat only if the database could not be asked (C6). */
  dropLateMeanwhile({ canBeAsked }: { readonly canBeAsked: boolean }): void {
    for (const waiting of this.#takeLate())
      if (canBeAsked || waiting.isContested) this.#waiting.push(waiting);
      else this.dropLate(waiting);
  }

  /** Takes out what is late already, or would be when it is decided, and drops it; but what is to be looked for comes back. */
  #takeLate(): WaitingRequest[] {
    const decidedAt = performance.now() + this.#options.pace.expectedMs(this.size);
    const late = this.#waiting.takeHurried(({ asked }) => isLate(asked, decidedAt));
    for (const waiting of late) if (!isToBeLookedFor(waiting)) this.dropLate(waiting);
    return late.filter(isToBeLookedFor);
  }

  dropLate(waiting: WaitingRequest): void {
    this.drop(waiting, waiting.wasLocked ? 'locked' : 'late');
    if (!isHeldUp(waiting)) this.#options.onWaited(1);
  }

  /** Nothing of it was committed. */
  drop({ asked, resolve, reject }: WaitingRequest, reason: Reason): void {
    // Its `07` would be sent, and who is told so must be certain that it is owed: nothing durable says it yet.
    if (isAnswerSent(asked))
      reject(new Fault('a card transaction could not be decided', { transient: true }));
    else resolve(authorizedOf(asked, this.#options.notes.add(asked, reason)));
  }

  /**
   * `asked`: as its card says in the batch that has just read it. Where too many whose answer is sent wait already, it stays
   * one of those that have a deadline.
   */
  noteCardRead(waiting: WaitingRequest, asked: CardAuthorization): void {
    this.#sendingCards.note(asked);
    if (!isAnswerSent(asked)) waiting.isUnhurried = false;
    else if (this.#waiting.patient < QUEUE_MAX) waiting.isUnhurried = true;
  }
}
