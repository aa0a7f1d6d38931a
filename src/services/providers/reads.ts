/** What is read of attempts without a lock. */
import { toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import { idOf, isId, uuidOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { readTimeline } from '#platform/log/timeline.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Attempt } from './attempt.ts';
import { attemptId } from './attempt.ts';
import { type AttemptRow, attemptOf } from './attempt-row.ts';

export class AttemptReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** The attempt whose key a provider names, if it is one of that provider's; by primary key. */
  async findByKey(provider: string, key: string): Promise<Attempt | undefined> {
    if (!isId('att', key)) return undefined;
    const rows = await this.#reader.query<AttemptRow>('select * from providers.attempts where id = $1', [
      uuidOf(key),
    ]);
    const found = rows[0] === undefined ? undefined : attemptOf(rows[0]);
    return found?.provider === provider ? found : undefined;
  }

  /** All that was tried for a payment or a refund, oldest first; by the index on subject. */
  async list(tenant: string, subject: string): Promise<JsonObject[]> {
    const rows = await this.#reader.query<AttemptRow>(
      'select * from providers.attempts where subject = $1 and tenant = $2 order by created_at, kind, number',
      [subject, tenant],
    );
    return rows.map((row) => renderAttempt(attemptOf(row)));
  }

  /** Whether the payments log knows the payment; nothing may have been asked of a provider yet. */
  async isKnown(tenant: string, subject: string): Promise<boolean> {
    const events = await readTimeline(this.#reader, ['payments'], { tenant, subject });
    return events.length > 0;
  }

  /** How many charges and refunds nobody knows the outcome of; by the index of what is due, which holds the open ones alone. */
  async countUnknown(): Promise<number> {
    const rows = await this.#reader.query<{ count: bigint }>(
      `select count(*) from providers.attempts
       where due_at is not null and (state in ('unknown', 'voiding') or kind = 'refund' and exposed)`,
      [],
    );
    return Number(rows[0]?.count ?? 0n);
  }
}

export function renderAttempt(attempt: Attempt): JsonObject {
  const { chargeUuid, dueAt } = attempt;
  return {
    id: attemptId(attempt),
    kind: attempt.kind,
    purpose: attempt.purpose,
    number: attempt.number,
    provider: attempt.provider,
    state: attempt.state,
    amount: attempt.amount,
    currency: attempt.currency,
    charge_id: chargeUuid === null ? null : idOf('att', chargeUuid),
    provider_reference: attempt.providerReference,
    created_at: toRfc3339(attempt.createdAt),
    updated_at: toRfc3339(attempt.updatedAt),
    deadline_at: toRfc3339(attempt.deadlineAt),
    next_step_at: toRfc3339OrNull(dueAt),
  };
}
