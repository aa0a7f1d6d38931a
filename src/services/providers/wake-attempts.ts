/** Attempts under way that nobody would look at again, since they are due never or far too late, are brought back. */
import type { ModelTransaction } from '#platform/log/read-model.ts';
import { OPEN_STATES } from './attempt.ts';
import { DEADLINE_MAX_MS, PAUSE_MAX_MS } from './audit.ts';

/** Longer than any sender may take: its time to begin, and the longest timeout of a call. Whoever is at it goes first. */
const SENDER_GONE_MS = 65_000;

/** Of the subject, in the order in which everybody locks them: the first one first. */
const LOCK = 'select 1 from providers.attempts where subject = $1 order by kind, number for no key update';

/** R2: by the index on subject. What has a time that can be is left as it is. */
const WAKE = `update providers.attempts
 set due_at = case when due_at <= now() + make_interval(secs => ${PAUSE_MAX_MS / 1000}) then due_at
                   else now() + make_interval(secs => ${SENDER_GONE_MS / 1000}) end,
     deadline_at = least(deadline_at, created_at + make_interval(secs => ${DEADLINE_MAX_MS / 1000}))
 where subject = $1 and state = any ($2::text[])`;

export async function wakeAttempts(tx: ModelTransaction, subject: string): Promise<void> {
  await tx.query(LOCK, [subject]);
  await tx.query(WAKE, [subject, [...OPEN_STATES]]);
}
