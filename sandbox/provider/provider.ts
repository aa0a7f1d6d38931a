/**
 * Serves requests: chooses the behaviour, decides from the book, writes, and answers.
 *
 * V1: no answer tells of what is not on disk.
 * V2: a decision and its record are one step: nothing is decided between them.
 * V3: timers and callbacks begin when their record is on disk, and again after a restart.
 */

import { conductOf, type RequestFacts } from './behaviour-rule.ts';
import type { Behaviours } from './behaviours.ts';
import { Book, type BookRecord, type OwedCallback, type Settlement } from './book.ts';
import type { Callbacks } from './callbacks.ts';
import type { Conduct } from './conduct.ts';
import { type ChargeRequest, decideCharge, decideInquiry, decideVoid } from './decide-charge.ts';
import { decideRefund, decideRefundInquiry, type RefundRequest } from './decide-refund.ts';
import type { Decision, Surroundings } from './decision.ts';
import type { Document } from './documents.ts';
import type { Journal } from './journal.ts';
import { settlementRecord } from './outcome-record.ts';
import { pause } from './pause.ts';
import { answerFor, type Reply } from './reply.ts';

/** How long an answer waits for the callback that is to come before it. */
const CALLBACK_FIRST_MS = 2000;

export interface ProviderOptions {
  readonly book: Book;
  readonly journal: Pick<Journal, 'append' | 'settled'>;
  readonly behaviours: Behaviours;
  /** Undefined: nobody is called back, and nothing is owed. */
  readonly callbacks: Callbacks | undefined;
  /** Before every answer about charges and refunds, ms. */
  readonly latencyMs: number;
  readonly surroundings: () => Surroundings;
}

interface Request extends RequestFacts {
  readonly decide: (conduct: Conduct, surroundings: Surroundings) => Decision;
}

export class Provider {
  readonly #options: ProviderOptions;

  constructor(options: ProviderOptions) {
    this.#options = options;
  }

  /** V3: goes on with what a process before this one has left. */
  resume(): void {
    const { book } = this.#options;
    for (const settlement of book.settlements()) this.#schedule(settlement);
    for (const owed of book.owed()) void this.#callBack(owed);
  }

  /** Undefined: never answered. */
  charge(request: ChargeRequest): Promise<Reply | undefined> {
    const { book } = this.#options;
    return this.#serve({
      operation: 'charge',
      terms: request,
      isNew: book.charge(request.key) === undefined && !book.isVoided(request.key),
      decide: (conduct, surroundings) => decideCharge(book, request, conduct, surroundings),
    });
  }

  refund(request: RefundRequest): Promise<Reply | undefined> {
    const { book } = this.#options;
    return this.#serve({
      operation: 'refund',
      terms: request,
      isNew: book.refund(request.key) === undefined,
      decide: (conduct, surroundings) => decideRefund(book, request, conduct, surroundings),
    });
  }

  inquire(kind: Document['kind'], key: string): Promise<Reply | undefined> {
    const { book } = this.#options;
    return this.#serve({
      operation: 'inquiry',
      terms: book.document(kind, key),
      isNew: false,
      decide: () => (kind === 'charge' ? decideInquiry(book, key) : decideRefundInquiry(book, key)),
    });
  }

  void(key: string): Promise<Reply | undefined> {
    const { book } = this.#options;
    return this.#serve({
      operation: 'void',
      terms: book.charge(key),
      isNew: false,
      decide: (_, surroundings) => decideVoid(book, key, surroundings),
    });
  }

  async #serve(request: Request): Promise<Reply | undefined> {
    const { behaviours, journal, latencyMs, surroundings } = this.#options;
    const present = surroundings();
    const conduct = conductOf(behaviours.match(request, present.now));
    let decision: Decision | undefined;
    if (conduct.isDone) {
      decision = request.decide(conduct, present);
      const record = this.#write(decision); // V2
      await journal.settled(); // V1
      if (record !== undefined) await this.#follow(record, conduct);
    }
    await pause(conduct.delayMs + latencyMs);
    return answerFor(conduct, decision);
  }

  #write(decision: Decision): BookRecord | undefined {
    const record = 'record' in decision ? decision.record : undefined;
    return record === undefined ? undefined : this.#commit(record);
  }

  /** In the book at once, so that the next decision sees it; on disk with the journal's next group. */
  #commit(record: BookRecord): BookRecord {
    const { owed, ...rest } = record;
    const kept = owed === undefined || this.#options.callbacks === undefined ? rest : record;
    this.#options.book.apply(kept);
    this.#options.journal.append(kept);
    return kept;
  }

  /** V3 */
  async #follow({ settlement, owed }: BookRecord, conduct: Conduct): Promise<void> {
    if (settlement !== undefined) this.#schedule(settlement);
    if (owed === undefined) return;
    const attempted = this.#callBack(owed);
    if (conduct.isAnswerAfterCallback) await Promise.race([attempted, pause(CALLBACK_FIRST_MS)]);
  }

  #schedule(settlement: Settlement): void {
    const waitMs = Math.max(0, settlement.at - this.#options.surroundings().now); // a day at most
    setTimeout(() => void this.#settle(settlement), waitMs).unref();
  }

  /** One that was voided meanwhile is not pending any more. */
  async #settle(settlement: Settlement): Promise<void> {
    const { book, journal, surroundings } = this.#options;
    const document = book.document(settlement.kind, settlement.key);
    if (document?.status !== 'pending') return;
    const { owed } = this.#commit(settlementRecord(document, settlement, surroundings()));
    await journal.settled();
    if (owed !== undefined) await this.#callBack(owed);
  }

  async #callBack(owed: OwedCallback): Promise<void> {
    await this.#options.callbacks?.begin(owed);
  }
}
