import type { Reader } from '../postgres/read-pool.ts';

export interface DeadLetterCounts {
  /** Open ones. */
  readonly open: number;
  /** Events that wait behind one, or are being worked off. */
  readonly parked: number;
}

/** Of what was given up, counted at most: it may be millions, and an alarm is raised long before. */
const GIVEN_UP_MAX = 100_000;

/** By group; a group without any is not there. Two small tables, read whole, and what is open of what was given up. */
export async function countDeadLetters(reader: Reader): Promise<ReadonlyMap<string, DeadLetterCounts>> {
  const rows = await reader.query<{ group: string; open: number; parked: number }>(
    `select "group", sum(open)::integer as open, sum(parked)::integer as parked
     from (
       select consumer_group as "group", count(dead_letter) as open, 0 as parked from log.parked_keys group by 1
       union all
       select consumer_group, 0, count(*) from log.parked_events group by 1
       union all
       select consumer_group, count(*), 0 from (
         select consumer_group from log.dead_letters where state = 'open' and work is not null limit ${GIVEN_UP_MAX}
       ) given_up
       group by 1
     ) counted
     group by 1`,
    [],
  );
  return new Map(rows.map(({ group, open, parked }) => [group, { open, parked }]));
}
