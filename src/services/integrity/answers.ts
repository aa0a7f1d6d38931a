/** What people are answered who ask over the API: once for each idempotency key (U1). */
import type { EpochMs } from '#kernel/clock.ts';
import { type CommandOutcome, replayOf } from '#platform/batch/command-worker.ts';
import { type Answer, IdempotencyStore, keyDigest } from '#platform/idempotency/idempotency.ts';
import type { Transaction } from '#platform/postgres/session.ts';

export interface AskedByPerson {
  readonly tenant: string;
  /** `findings.resolve`: with the tenant, the scope of keys. */
  readonly operation: string;
  readonly key: string | undefined;
  /** Of the request, what its address names included: compared with that of an earlier one under the key. */
  readonly body: object;
  readonly keyReused: (pointers: readonly string[]) => Answer;
}

const STORE = new IdempotencyStore('integrity');

export async function findAnswer(tx: Transaction, asked: AskedByPerson): Promise<CommandOutcome | undefined> {
  const digest = digestOf(asked);
  if (digest === undefined) return undefined;
  const stored = (await STORE.find(tx, [digest])).get(digest);
  return stored && replayOf(stored, JSON.stringify(asked.body), asked.keyReused);
}

export function keepAnswer(tx: Transaction, asked: AskedByPerson, answer: Answer, now: EpochMs): void {
  const digest = digestOf(asked);
  if (digest === undefined) return;
  STORE.save(tx, new Map([[digest, { ...answer, request: JSON.stringify(asked.body) }]]), now);
}

function digestOf({ tenant, operation, key }: AskedByPerson): string | undefined {
  return key === undefined ? undefined : keyDigest({ tenant, operation, key });
}
