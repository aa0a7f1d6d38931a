/** Calls that ended long ago are forgotten. What came of them stays: in the integration, and in the log. */
import type { Clock } from '#kernel/clock.ts';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { FORGOTTEN_AT_ONCE } from '#platform/batch/forgetting.ts';
import type { Session } from '#platform/postgres/session.ts';
import { FORGET_CALLS } from './call-store.ts';

export interface RetentionOptions {
  /** Statements that stand alone: it may be another's too. */
  readonly session: Session;
  readonly clock: Clock;
  readonly retentionMs: number;
}

/** A page of them; whether there may be more. */
export async function forgetCalls({ session, clock, retentionMs }: RetentionOptions): Promise<boolean> {
  const oldest = firstUuidAt(clock.now() - retentionMs);
  const forgotten = await session.query(FORGET_CALLS, [oldest, FORGOTTEN_AT_ONCE]);
  return forgotten.length === FORGOTTEN_AT_ONCE;
}
