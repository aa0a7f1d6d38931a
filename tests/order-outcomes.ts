/** What has become of orders to hand events to a group again, in the order of the ids. */
import { type RedeliveryId, uuidOf } from '#kernel/ids.ts';
import { ask } from './redelivery.ts';

export async function outcomesOf(url: string, ids: readonly RedeliveryId[]): Promise<string[]> {
  const rows = await ask(
    url,
    `select coalesce(r.outcome, 'pending') as outcome
     from unnest($1::uuid[]) with ordinality as wanted(id, nr) join log.redeliveries r using (id) order by nr`,
    [ids.map(uuidOf)],
  );
  return rows.map(({ outcome }) => String(outcome));
}
