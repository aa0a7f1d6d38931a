/** What persons made of the data of events before a group was handed them again, instead of their dead letters. */

import type { JsonObject } from '#platform/log/event.ts';
import { int2Array, int8Array, textArray } from '#platform/postgres/arrays.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { parseData } from './event-data.ts';
import type { TracedEvent } from './traced-event.ts';

/**
 * By identity; the last edit of each. Asked for events whose effect is not what they say, which are few: it passes over all
 * orders there are, and no statement is sent where there are none.
 */
export async function readEditedData(
  reader: Reader,
  group: string,
  events: readonly TracedEvent[],
): Promise<ReadonlyMap<string, JsonObject>> {
  if (events.length === 0) return new Map();
  const rows = await reader.query<{ identity: string; edited_data: string }>(
    `select r.topic || '/' || r.partition || '/' || r.position as identity, r.edited_data
     from log.redeliveries r
     join unnest($2::text[], $3::smallint[], $4::bigint[]) as wanted (topic, partition, position)
       on r.topic = wanted.topic and r.partition = wanted.partition and r.position = wanted.position
     where r.consumer_group = $1 and r.edited_data is not null and r.outcome = 'done'
     order by r.done_at`,
    [
      group,
      textArray(events.map(({ topic }) => topic)),
      int2Array(events.map(({ partition }) => partition)),
      int8Array(events.map(({ position }) => position)),
    ],
  );
  return new Map(rows.map(({ identity, edited_data }) => [identity, parseData(edited_data) ?? {}]));
}
