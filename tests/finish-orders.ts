/** What the owner of a partition does with orders to hand events to a group again, where a test has no such owner. */
import { ask } from './redelivery.ts';

/** All that are pending; their events change nothing. */
export async function finishOrders(url: string, outcome: 'done' | 'failed'): Promise<void> {
  await ask(
    url,
    `with gone as (delete from log.pending_redeliveries returning id)
     update log.redeliveries set done_at = now(), outcome = $1 where id in (select id from gone)`,
    [outcome],
  );
}
