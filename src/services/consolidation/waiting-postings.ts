/**
 * Postings that wait although the one before them is counted: more became due at once than a batch looks at
 * (WAITING_PAGE), as behind a dead letter that was replayed after a long time. Counted here, page by page.
 */
import type { Clock } from '#kernel/clock.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { type Session, statement } from '#platform/postgres/session.ts';
import { decide, loadNames, save } from './consumer.ts';
import type { AccountName } from './posting.ts';
import { inOrder } from './store.ts';

/** Accounts with something waiting that a look passes, and at most as many whose postings it counts. */
const ACCOUNTS_PAGE = 100;

/** Steps from one account with something waiting to the next along the primary key, however much waits for each. */
export const FIND_DUE = statement(
  'consolidation.find_due_waiting',
  `with recursive held(account_key) as (
     (select w.account_key from consolidation.waiting w where w.account_key > 0 order by w.account_key limit 1)
     union all
     select (select w.account_key from consolidation.waiting w where w.account_key > held.account_key
             order by w.account_key limit 1)
     from held where held.account_key is not null
   ), named as (select account_key from held where account_key is not null limit ${ACCOUNTS_PAGE * 10})
   select a.tenant, a.id
   from named
   cross join lateral (
     select a.tenant, a.id from consolidation.accounts a where a.key = named.account_key and a.time_zone is not null offset 0
   ) a
   left join lateral (
     select s.sequence from consolidation.standings s where s.account_key = named.account_key offset 0
   ) s on true
   cross join lateral (
     select from consolidation.waiting w
     where w.account_key = named.account_key and w.sequence = coalesce(s.sequence, 0) + 1 offset 0
   ) w
   limit ${ACCOUNTS_PAGE}`,
);

/** Whether anything was counted: then there may be more. */
export async function countWaiting({
  session,
  log,
  clock,
}: {
  readonly session: Session;
  readonly log: EventLog;
  readonly clock: Clock;
}): Promise<boolean> {
  const due = await session.query<AccountName & Record<string, unknown>>(FIND_DUE, []);
  if (due.length === 0) return false;
  const appended = await session.transaction(async (tx) => {
    const plan = decide(await loadNames(tx, inOrder(due)), clock.now());
    save(tx, plan);
    const { drafts, now } = plan;
    return sendDrafts(tx, { topic: 'consolidation', partitions: log.partitions, occurredAt: now, drafts });
  });
  if (appended !== undefined) log.publish(appended);
  return true;
}
