/**
 * What persons say of refunds, as a batch. Order of locks (R3): the attempts of the refunds, ascending, then the idempotency
 * keys, because a key is stored with its answer, then the log's heads.
 */
import type { Problem } from '#kernel/problem.ts';
import { type Command, type CommandHandler, SANDBOX_ACTOR, type Verdict } from '#platform/batch/command.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import { type LastEvent, lastEventsIn } from '#platform/log/own-effects.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { AttemptChanges, Attempts } from './attempts.ts';
import { renderAttempt } from './reads.ts';
import { type RefundResolutionOrder, resolveRefund } from './resolve-refund.ts';
import { lockAttempts, saveAttempts } from './store.ts';

interface Loaded {
  readonly attempts: Attempts;
  /** Where the coordinator stands, by refund: read behind the locks, under which orders are given. */
  readonly standings: ReadonlyMap<string, LastEvent>;
}

export interface RefundResolutionsOptions {
  readonly renderProblem: (problem: Problem) => Answer;
  /** After each commit. */
  readonly onCommitted: (changes: AttemptChanges) => void;
}

export class RefundResolutions implements CommandHandler<RefundResolutionOrder, Loaded, 'resolved'> {
  readonly #options: RefundResolutionsOptions;

  constructor(options: RefundResolutionsOptions) {
    this.#options = options;
  }

  async load(tx: Transaction, commands: readonly Command<RefundResolutionOrder>[]): Promise<Loaded> {
    const refunds = [...new Set(commands.map(({ body }) => body.refund_id))];
    const [attempts, standings] = await Promise.all([
      lockAttempts(tx, refunds),
      lastEventsIn(tx, 'authorization', refunds),
    ]);
    return { attempts, standings };
  }

  decide({ attempts, standings }: Loaded, command: Command<RefundResolutionOrder>): Verdict<'resolved'> {
    const { tenant, actor = SANDBOX_ACTOR, body } = command;
    const told = attempts.changes().drafts.length;
    const standing = standings.get(body.refund_id);
    const resolved = resolveRefund(attempts, { tenant, actor, order: body, standing });
    if (!resolved.ok)
      return { answer: this.#options.renderProblem(resolved.problem), effect: undefined, drafts: [] };
    return {
      answer: { status: 202, body: JSON.stringify(renderAttempt(resolved.value)) },
      effect: 'resolved',
      drafts: attempts.changes().drafts.slice(told),
    };
  }

  save(tx: Transaction, _effects: readonly 'resolved'[], { attempts }: Loaded, now: number): void {
    saveAttempts(tx, attempts.changes(), now);
  }

  committed({ attempts }: Loaded): void {
    this.#options.onCommitted(attempts.changes());
  }
}
