/** Webhooks of which nothing was taken, not authentic or no text, are forgotten in the end. What was taken tells a repeat, and stays. */
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { FORGOTTEN_AT_ONCE } from '#platform/batch/forgetting.ts';
import { statement } from '#platform/postgres/session.ts';
import type { RetentionOptions } from '../calls/retention.ts';

/** The oldest, by the index of those that were not taken: ids rise with time. */
export const FORGET_HOOKS = statement(
  'hub.forget_hooks',
  `delete from hub.received_hooks h
   where h.ctid = any (array(
     select t.ctid from hub.received_hooks t where t.id < $1::uuid and t.dedup is null and t.integration is null
     order by t.id limit $2::integer for update skip locked
   ))
   returning 1 as forgotten`,
);

/** A page of them; whether there may be more. */
export async function forgetHooks({ session, clock, retentionMs }: RetentionOptions): Promise<boolean> {
  const forgotten = await session.query(FORGET_HOOKS, [
    firstUuidAt(clock.now() - retentionMs),
    FORGOTTEN_AT_ONCE,
  ]);
  return forgotten.length === FORGOTTEN_AT_ONCE;
}
