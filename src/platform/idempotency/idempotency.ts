/**
 * Request idempotency (U1): every answer decided for a key is stored in the commit of its effect and replayed for ever.
 * One table per service schema, `idempotency_keys`; the primary key's uniqueness is what makes two processes agree.
 *
 * I1: an answer is stored in the same transaction as the effect it reports.
 * I2: same key and same body → the stored status and exact body. Same key, other body → the fields that differ.
 * I3: a key's scope is tenant and operation; aliases of a route share the operation.
 */
import { hash } from 'node:crypto';
import { differingPointers } from '#kernel/canonical-json.ts';
import type { EpochMs } from '#kernel/clock.ts';
import { int2Array, textArray, uuidArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import type { Range } from '../postgres/ranges.ts';
import type { Reader } from '../postgres/read-pool.ts';
import { type Session, type Statement, statement, type Transaction } from '../postgres/session.ts';

/** A decided answer: what the edge sends, to the byte. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface StoredAnswer extends Answer {
  /** The request's body as JSON, to name the fields that differ. */
  readonly request: string;
}

/** Where a key is looked up: 16 bytes of SHA-256 over tenant, operation and key, as uuid text. A fixed small index entry, whatever the key's length. */
export function keyDigest(scope: { tenant: string; operation: string; key: string }): string {
  const hex = hash('sha256', `${scope.tenant}\n${scope.operation}\n${scope.key}`, 'hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

/** Pointers of the members in which the bodies differ (RFC 8785 equality); none if they are the same request (I2). */
export function differences<Body>(
  stored: StoredAnswer,
  requestJson: string,
  between: (before: Body, after: Body) => string[] = differingPointers,
): string[] {
  if (stored.request === requestJson) return [];
  return between(JSON.parse(stored.request) as Body, JSON.parse(requestJson) as Body);
}

/** The statements over one service's table. */
export class IdempotencyStore {
  readonly #select: Statement;
  readonly #insert: Statement;

  constructor(schema: string) {
    this.#select = statement(
      `${schema}.idempotency_select`,
      `select k.digest, k.request, k.status, k.answer
       from ${batchRows('wanted', { digest: 'uuid' })}
       cross join lateral (select * from ${schema}.idempotency_keys k where k.digest = wanted.digest offset 0) k`,
    );
    // R3: in ascending order, so that two processes with the same keys in other orders wait instead of deadlocking.
    // A key that another process stored meanwhile raises a unique violation; the batch is then decided anew.
    this.#insert = statement(
      `${schema}.idempotency_insert`,
      `insert into ${schema}.idempotency_keys (digest, request, status, answer, created_at)
       select digest, request, status, answer, $5::timestamptz
       from ${batchRows('k', { digest: 'uuid', request: 'text', status: 'smallint', answer: 'text' })}`,
    );
  }

  async find(reader: Transaction | Session, digests: readonly string[]): Promise<Map<string, StoredAnswer>> {
    const found = new Map<string, StoredAnswer>();
    if (digests.length === 0) return found;
    const rows = await reader.query<{ digest: string; request: string; status: number; answer: string }>(
      this.#select,
      [uuidArray(digests)],
    );
    for (const row of rows)
      found.set(row.digest, { request: row.request, status: row.status, body: row.answer });
    return found;
  }

  save(tx: Transaction, answers: ReadonlyMap<string, StoredAnswer>, at: EpochMs): void {
    if (answers.size === 0) return;
    const sorted = [...answers].sort(([a], [b]) => (a < b ? -1 : 1));
    tx.run(this.#insert, [
      uuidArray(sorted.map(([digest]) => digest)),
      textArray(sorted.map(([, answer]) => answer.request)),
      int2Array(sorted.map(([, answer]) => answer.status)),
      textArray(sorted.map(([, answer]) => answer.body)),
      new Date(at),
    ]);
  }
}

/** How many keys a service has in a range of their digests; by primary key. For a proof: they are sourced from no log. */
export async function countKeys(reader: Reader, schema: string, { after, upTo }: Range): Promise<number> {
  const [row] = await reader.query<{ count: number }>(
    `select count(*)::float8 as count from ${schema}.idempotency_keys
     where ($1::uuid is null or digest > $1) and ($2::uuid is null or digest <= $2)`,
    [after, upTo],
  );
  return row?.count ?? 0;
}
