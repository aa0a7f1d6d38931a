import type { Reader } from '../postgres/read-pool.ts';

export interface DeadLetterCounts {
  /** Open ones. */
  readonly open: number;
  /** Events that wait behind one, or are being worked off. */
  readonly parked: number;
}

/** Of what a group has given up, counted at most: it may be millions, and an alarm is raised long before. */
const GIVEN_UP_MAX = 100_000;

/**
 * By group; a group without any may not be there. Two small tables, read whole, and of each of the groups what is open of what it
 * has given up, by the index on these.
 */
export async function countDeadLetters(
  reader: Reader,
  groups: readonly string[],
): Promise<ReadonlyMap<string, DeadLetterCounts>> {
  const rows = await reader.query<{ group: string; open: number; parked: number }>(
    `select "group", sum(open)::integer as open, sum(parked)::integer as parked
     from (
       select consumer_group as "group", count(dead_letter) as open, 0 as parked from log.parked_keys group by 1
       union all
       select consumer_group, 0, count(*) from log.parked_events group by 1
       union all
       select wanted.consumer_group, given_up.count, 0 from unnest($1::text[]) as wanted(consumer_group)
       cross join lateral (
         select count(*) from (
           select from log.dead_letters d
           where d.consumer_group = wanted.consumer_group and d.state = 'open' and d.work is not null
           limit ${GIVEN_UP_MAX}
         ) open
       ) given_up
     ) counted
     group by 1`,
    [groups],
  );
  return new Map(rows.map(({ group, open, parked }) => [group, { open, parked }]));
}
