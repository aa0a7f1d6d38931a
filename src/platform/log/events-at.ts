/** Single events of a log, by where they stand. */
import { int8Array } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { statement, type Transaction } from '../postgres/session.ts';
import type { LogEvent } from './event.ts';
import { decodeEvent, EVENT_COLUMNS, type EventRow } from './event-log.ts';
import { perTopic } from './per-topic.ts';

/** Where an event stands in a partition that is known. */
export interface EventPlace {
  readonly topic: string;
  readonly position: number;
}

/** The events at the places, in their order; those that the log lacks are not among them. One statement a topic. */
export async function readEventsAt(
  tx: Pick<Transaction, 'query'>,
  partition: number,
  places: readonly EventPlace[],
): Promise<LogEvent[]> {
  const byTopic = Map.groupBy(places, ({ topic }) => topic);
  const read = await Promise.all(
    [...byTopic].map(async ([topic, own]) => {
      const positions = int8Array(own.map(({ position }) => position));
      const rows = await tx.query<EventRow>(eventsAtStatement(topic), [partition, positions]);
      return rows.map((row) => decodeEvent(topic, row));
    }),
  );
  const found = new Map(read.flat().map((event) => [`${event.topic}/${event.position}`, event]));
  return places.flatMap(({ topic, position }) => found.get(`${topic}/${position}`) ?? []);
}

/** By primary key. */
const eventsAtStatement = perTopic((topic) =>
  statement(
    `${topic}.read_events_at`,
    `select ${EVENT_COLUMNS}
     from ${batchRows('wanted', { position: 'bigint' }, 2)}
     cross join lateral (
       select * from "${topic}".events e where e.partition = $1 and e.position = wanted.position offset 0
     ) e`,
  ),
);
