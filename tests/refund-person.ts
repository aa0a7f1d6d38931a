/** A person who says what became of refunds at their providers, in a process of its own (D5). */
import { systemClock } from '#kernel/clock.ts';
import { newId, type RefundId } from '#kernel/ids.ts';
import { CommandWorker } from '#platform/batch/command-worker.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { Session } from '#platform/postgres/session.ts';
import { RefundResolutions } from '#services/providers/refund-resolutions.ts';
import type { RefundResolutionOrder } from '#services/providers/resolve-refund.ts';
import { renderAnswer } from '../src/problems.ts';
import { type Engine, TENANT } from './engine.ts';

export class RefundPerson {
  readonly #session: Session;
  readonly #worker: CommandWorker<RefundResolutionOrder, unknown, 'resolved'>;

  constructor(url: string, { log }: Pick<Engine, 'log'>) {
    this.#session = new Session({ url, name: 'providers.intake' });
    this.#worker = new CommandWorker({
      name: 'providers.intake',
      topic: 'providers',
      handler: new RefundResolutions({ renderProblem: renderAnswer, onCommitted: () => undefined }),
      idempotency: new IdempotencyStore('providers'),
      keyReused: () => ({ status: 422, body: '{}' }),
      log,
      session: this.#session,
      clock: systemClock,
      random: Math.random,
      batchMax: 1,
      delayMs: () => 0,
      observer: { committed: () => undefined, failed: () => undefined },
    });
    this.#worker.start();
  }

  /** The status of the answer. */
  async say(refund: RefundId, outcome: RefundResolutionOrder['outcome']): Promise<number> {
    const { answer } = await this.#worker.submit({
      operation: 'refunds.resolve',
      tenant: TENANT,
      idempotencyKey: newId('req'),
      id: refund,
      requestId: newId('req'),
      correlationId: newId('cor'),
      traceparent: null,
      body: { operation: 'refunds.resolve', refund_id: refund, outcome, reason: 'Asked them.' },
    });
    return answer.status;
  }

  async leave(): Promise<void> {
    await this.#worker.stop();
    await this.#session.close();
  }
}
