/**
 * What owners of endpoints ask for that changes something: decided in a transaction of its own, and answered once for each
 * idempotency key (U1).
 *
 * AD1: one transaction at a time, since they share a session.
 * AD2: an answer is kept in the commit of what it tells; one that shows a secret is kept sealed.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import type { CommandOutcome } from '#platform/batch/command-worker.ts';
import { type AskedOnce, KeptAnswers } from '#platform/batch/kept-answers.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import { DatabaseFault } from '#platform/postgres/faults.ts';
import type { Session, Transaction } from '#platform/postgres/session.ts';
import type { Vault } from '#platform/vault/vault.ts';

export interface Decided {
  readonly answer: Answer;
  readonly hasSecret?: boolean;
  /** After the commit, before anybody is answered. */
  readonly committed?: () => void | Promise<void>;
}

export interface Deciding<Found> {
  /** What no transaction may wait for; not looked for if the request was answered before. */
  readonly find: () => Promise<Found>;
  readonly decide: (tx: Transaction, found: Found, now: EpochMs) => Promise<Decided>;
}

export interface AnswerDeskOptions {
  /** For this alone. */
  readonly session: Session;
  readonly clock: Clock;
  readonly vault: Pick<Vault, 'sealText' | 'openText'>;
}

const KEPT = new KeptAnswers('notification');
/** No JSON begins so. */
const SEALED = 'sealed ';

export class AnswerDesk {
  readonly #options: AnswerDeskOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: AnswerDeskOptions) {
    this.#options = options;
  }

  async answerOnce<Found>(asked: AskedOnce, { find, decide }: Deciding<Found>): Promise<CommandOutcome> {
    const { session } = this.#options;
    const known = asked.key === undefined ? undefined : await this.#inTurn(() => KEPT.find(session, asked));
    if (known !== undefined) return this.#opened(asked, known);
    const found = await find();
    const answer = () => this.#inTurn(() => this.#answer(asked, (tx, now) => decide(tx, found, now)));
    const { outcome, committed } = await answer().catch((error: unknown) => {
      // Another process has answered it meanwhile: it is found now.
      if (error instanceof DatabaseFault && error.uniqueViolation) return answer();
      throw error;
    });
    await committed?.();
    return this.#opened(asked, outcome);
  }

  #answer(
    asked: AskedOnce,
    decide: (tx: Transaction, now: EpochMs) => Promise<Decided>,
  ): Promise<{ outcome: CommandOutcome; committed?: Decided['committed'] }> {
    const { session, clock } = this.#options;
    return session.transaction(async (tx) => {
      const known = await KEPT.find(tx, asked);
      if (known !== undefined) return { outcome: known };
      const now = clock.now();
      const { answer, hasSecret, committed } = await decide(tx, now);
      KEPT.keep(tx, asked, hasSecret === true ? this.#sealed(asked, answer) : answer, now); // AD2
      return { outcome: { answer, replayed: false }, committed };
    });
  }

  // AD1
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #sealed(asked: AskedOnce, { status, body }: Answer): Answer {
    return { status, body: SEALED + this.#options.vault.sealText(nameOf(asked), body) };
  }

  #opened(asked: AskedOnce, outcome: CommandOutcome): CommandOutcome {
    const { status, body } = outcome.answer;
    if (!body.startsWith(SEALED)) return outcome;
    const text = this.#options.vault.openText(nameOf(asked), body.slice(SEALED.length));
    return { ...outcome, answer: { status, body: text } };
  }
}

function nameOf({ tenant, operation, key }: AskedOnce) {
  return { tenant, name: `webhook-answers:${operation}:${key}` };
}
