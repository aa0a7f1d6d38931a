import { ask } from './redelivery.ts';

/** Orders about every open dead letter, as the API writes them down. */
export async function orderOpenDeadLetters(
  url: string,
  action: 'replay' | 'skip' | 'discard',
): Promise<void> {
  await ask(
    url,
    `with asked as (
       insert into log.redeliveries (id, consumer_group, topic, partition, position, action, dead_letter, requested_by, requested_at)
       select gen_random_uuid(), consumer_group, topic, partition, position, $1, id, 'tests', now()
       from log.dead_letters where state = 'open' returning id, consumer_group, partition, dead_letter
     )
     insert into log.pending_redeliveries (id, consumer_group, partition, dead_letter) select * from asked`,
    [action],
  );
}
