/** Rows whose ids are older than the retention are forgotten: calls that ended, and webhooks of which nothing was taken. */
import type { Clock } from '#kernel/clock.ts';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { FORGOTTEN_AT_ONCE } from '#platform/batch/forgetting.ts';
import type { Session, Statement } from '#platform/postgres/session.ts';

export interface ForgetOldOptions {
  /** Statements that stand alone: it may be another's too. */
  readonly session: Session;
  readonly clock: Clock;
  readonly retentionMs: number;
}

/** A page by a statement that takes the first id that stays, and how many go at most; whether there may be more. */
export async function forgetOld(
  forget: Statement,
  { session, clock, retentionMs }: ForgetOldOptions,
): Promise<boolean> {
  const forgotten = await session.query(forget, [firstUuidAt(clock.now() - retentionMs), FORGOTTEN_AT_ONCE]);
  return forgotten.length === FORGOTTEN_AT_ONCE;
}
