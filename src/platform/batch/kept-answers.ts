/**
 * Idempotency keys of requests that are answered outside of a worker's batches, in a transaction of their own (U1): what
 * was decided under a key is found again, and kept in the commit of its effect.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { type Answer, IdempotencyStore, keyDigest } from '../idempotency/idempotency.ts';
import type { Session, Transaction } from '../postgres/session.ts';
import { type CommandOutcome, replayOf } from './command-worker.ts';

export interface AskedOnce {
  readonly tenant: string;
  /** `findings.resolve`: with the tenant, the scope of keys. */
  readonly operation: string;
  readonly key: string | undefined;
  /** Of the request, what its address names included: compared with that of an earlier one under the key. */
  readonly body: object;
  readonly keyReused: (pointers: readonly string[]) => Answer;
}

export class KeptAnswers {
  readonly #store: IdempotencyStore;

  constructor(schema: string) {
    this.#store = new IdempotencyStore(schema);
  }

  /** What the request was answered before, or that its key is taken by another one. By primary key; no lock. */
  async find(reader: Transaction | Session, asked: AskedOnce): Promise<CommandOutcome | undefined> {
    const digest = digestOf(asked);
    if (digest === undefined) return undefined;
    const stored = (await this.#store.find(reader, [digest])).get(digest);
    return stored && replayOf(stored, JSON.stringify(asked.body), asked.keyReused);
  }

  /** The commit fails by a unique violation if another process has kept one meanwhile. */
  keep(tx: Transaction, asked: AskedOnce, answer: Answer, now: EpochMs): void {
    const digest = digestOf(asked);
    if (digest === undefined) return;
    this.#store.save(tx, new Map([[digest, { ...answer, request: JSON.stringify(asked.body) }]]), now);
  }
}

function digestOf({ tenant, operation, key }: AskedOnce): string | undefined {
  return key === undefined ? undefined : keyDigest({ tenant, operation, key });
}
