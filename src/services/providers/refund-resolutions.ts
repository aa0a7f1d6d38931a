/**
 * What persons say of refunds, as a batch. Order of locks (R3): the attempts of the refunds, ascending, then the idempotency
 * keys, because a key is stored with its answer, then the log's heads.
 */
import type { Problem } from '#kernel/problem.ts';
import { type Command, type CommandHandler, SANDBOX_ACTOR, type Verdict } from '#platform/batch/command.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { AttemptChanges, Attempts } from './attempts.ts';
import { renderAttempt } from './reads.ts';
import { type RefundResolutionOrder, resolveRefund } from './resolve-refund.ts';
import { lockAttempts, saveAttempts } from './store.ts';

export interface RefundResolutionsOptions {
  readonly renderProblem: (problem: Problem) => Answer;
  /** After each commit. */
  readonly onCommitted: (changes: AttemptChanges) => void;
}

export class RefundResolutions implements CommandHandler<RefundResolutionOrder, Attempts, 'resolved'> {
  readonly #options: RefundResolutionsOptions;

  constructor(options: RefundResolutionsOptions) {
    this.#options = options;
  }

  load(tx: Transaction, commands: readonly Command<RefundResolutionOrder>[]): Promise<Attempts> {
    return lockAttempts(
      tx,
      commands.map(({ body }) => body.refund_id),
    );
  }

  decide(attempts: Attempts, command: Command<RefundResolutionOrder>): Verdict<'resolved'> {
    const { tenant, actor = SANDBOX_ACTOR, body } = command;
    const told = attempts.changes().drafts.length;
    const resolved = resolveRefund(attempts, { tenant, actor, order: body });
    if (!resolved.ok)
      return { answer: this.#options.renderProblem(resolved.problem), effect: undefined, drafts: [] };
    return {
      answer: { status: 202, body: JSON.stringify(renderAttempt(resolved.value)) },
      effect: 'resolved',
      drafts: attempts.changes().drafts.slice(told),
    };
  }

  save(tx: Transaction, _effects: readonly 'resolved'[], attempts: Attempts, now: number): void {
    saveAttempts(tx, attempts.changes(), now);
  }

  committed(attempts: Attempts): void {
    this.#options.onCommitted(attempts.changes());
  }
}
