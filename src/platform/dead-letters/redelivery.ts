/**
 * Orders to hand an event of the log to one consumer group once more: how a dead letter is replayed, and how what a group
 * has passed without effect is repaired. No new event comes of the order itself, and an event that the group has handled
 * changes nothing when it comes again (U3). The owner of the group's partition executes it within a second
 * (redeliverer.ts), under the group's positions.
 */
import { type DeadLetterId, idOf, type RedeliveryId, uuidOf } from '#kernel/ids.ts';
import { int2Array, int8Array, textArray, uuidArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '../postgres/session.ts';

/** Where an event stands, and which group is meant. */
export interface GroupedEvent {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
}

export interface RedeliveryRequest extends GroupedEvent {
  readonly id: RedeliveryId;
  readonly reason: string;
  /** Who: a key's id, a service. */
  readonly requestedBy: string;
}

/**
 * `failed`: the group could not handle it, and nothing was changed; it is no dead letter by that. `behind_dead_letter`: it
 * waits, or would have to wait, for a dead letter of its parking key. `not_passed`: the group has still to come by it.
 * `not_handled`: the group does not act on such an event. `not_found`: the log has no such event. `abandoned`: a person has
 * had the group pass over it for good. `withdrawn`: before it was executed a person has ordered something else of the dead
 * letter.
 */
export type RedeliveryOutcome =
  | 'done'
  | 'failed'
  | 'behind_dead_letter'
  | 'not_passed'
  | 'not_handled'
  | 'not_found'
  | 'abandoned'
  | 'withdrawn';

/** Inserts only; both statements lock nothing but their own new rows. */
export const INSERT_REDELIVERIES = statement(
  'log.insert_redeliveries',
  `insert into log.redeliveries (id, consumer_group, topic, partition, position, action, reason, requested_by, requested_at)
   select id, consumer_group, topic, partition, position, 'redeliver', reason, requested_by, now()
   from ${batchRows('asked', {
     id: 'uuid',
     consumer_group: 'text',
     topic: 'text',
     partition: 'smallint',
     position: 'bigint',
     reason: 'text',
     requested_by: 'text',
   })}`,
);
export const INSERT_PENDING = statement(
  'log.insert_pending_redeliveries',
  `insert into log.pending_redeliveries (id, consumer_group, partition)
   select id, consumer_group, partition
   from ${batchRows('asked', { id: 'uuid', consumer_group: 'text', partition: 'smallint' })}`,
);

/** As `placesOf` gives them. */
const WANTED_EVENTS = batchRows('wanted', {
  consumer_group: 'text',
  topic: 'text',
  partition: 'smallint',
  position: 'bigint',
});

/**
 * Which events a group has passed but not handled, because they are an open dead letter of it or wait behind one. By the
 * primary key of the (few) parked keys, and the unique index of identities of what waits.
 */
export const FIND_WAITING = statement(
  'log.find_waiting_events',
  `select wanted.consumer_group as "group", wanted.topic, wanted.partition, wanted.position, waiting.dead_letter
   from ${WANTED_EVENTS}
   cross join lateral (
     select k.dead_letter from log.parked_keys k
     where k.consumer_group = wanted.consumer_group and k.partition = wanted.partition
       and k.topic = wanted.topic and k.position = wanted.position and k.dead_letter is not null
     union all
     select k.dead_letter from log.parked_events e
     join log.parked_keys k using (consumer_group, partition, parking_key)
     where e.consumer_group = wanted.consumer_group and e.topic = wanted.topic
       and e.partition = wanted.partition and e.position = wanted.position
   ) waiting`,
);

/** Which events a person has had their group pass over for good. By primary key. */
export const FIND_ABANDONED = statement(
  'log.find_abandoned_events',
  `select wanted.consumer_group as "group", wanted.topic, wanted.partition, wanted.position, a.dead_letter
   from ${WANTED_EVENTS}
   cross join lateral (
     select a.dead_letter from log.abandoned_events a
     where a.consumer_group = wanted.consumer_group and a.topic = wanted.topic
       and a.partition = wanted.partition and a.position = wanted.position
     offset 0
   ) a`,
);

/** Which events are ordered to be delivered again, and have still to be. By the index on what is not done. */
export const FIND_ORDERED = statement(
  'log.find_ordered_events',
  `select wanted.consumer_group as "group", wanted.topic, wanted.partition, wanted.position
   from ${WANTED_EVENTS}
   cross join lateral (
     select r.id from log.redeliveries r
     where r.consumer_group = wanted.consumer_group and r.topic = wanted.topic
       and r.partition = wanted.partition and r.position = wanted.position
       and r.done_at is null and r.action = 'redeliver'
     limit 1
   ) ordered`,
);

/** In the caller's transaction: the orders exist if and when that commits. */
export function requestRedeliveries(
  tx: Pick<Transaction, 'run'>,
  requests: readonly RedeliveryRequest[],
): void {
  if (requests.length === 0) return;
  const ids = uuidArray(requests.map(({ id }) => uuidOf(id)));
  const groups = textArray(requests.map(({ group }) => group));
  const partitions = int2Array(requests.map(({ partition }) => partition));
  tx.run(INSERT_REDELIVERIES, [
    ids,
    groups,
    textArray(requests.map(({ topic }) => topic)),
    partitions,
    int8Array(requests.map(({ position }) => position)),
    textArray(requests.map(({ reason }) => reason)),
    textArray(requests.map(({ requestedBy }) => requestedBy)),
  ]);
  tx.run(INSERT_PENDING, [ids, groups, partitions]);
}

export interface WaitingEvent extends GroupedEvent {
  /** The open dead letter in front; null while what waited is being worked off. */
  readonly deadLetter: DeadLetterId | null;
}

/** Of the events, those that their group has passed but not handled: an open dead letter, or parked behind one. */
export async function findWaitingEvents(
  reader: Pick<Transaction, 'query'> | Pick<Session, 'query'>,
  events: readonly GroupedEvent[],
): Promise<WaitingEvent[]> {
  if (events.length === 0) return [];
  return (await reader.query<WaitingRow>(FIND_WAITING, placesOf(events))).map(({ dead_letter, ...row }) => ({
    ...row,
    position: Number(row.position),
    deadLetter: dead_letter === null ? null : idOf('dlt', dead_letter),
  }));
}

export interface AbandonedEvent extends GroupedEvent {
  /** That was skipped, or discarded, or behind which it was discarded. */
  readonly deadLetter: DeadLetterId;
}

/** Of the events, those that a person has had their group pass over for good: they are not to be handed to it again. */
export async function findAbandonedEvents(
  reader: Pick<Transaction, 'query'> | Pick<Session, 'query'>,
  events: readonly GroupedEvent[],
): Promise<AbandonedEvent[]> {
  if (events.length === 0) return [];
  return (await reader.query<AbandonedRow>(FIND_ABANDONED, placesOf(events))).map(
    ({ dead_letter, ...row }) => ({
      ...row,
      position: Number(row.position),
      deadLetter: idOf('dlt', dead_letter),
    }),
  );
}

/** Of the events, those about which an order to deliver them again is pending: another would do the same twice. */
export async function findOrderedEvents(
  reader: Pick<Transaction, 'query'> | Pick<Session, 'query'>,
  events: readonly GroupedEvent[],
): Promise<GroupedEvent[]> {
  if (events.length === 0) return [];
  const rows = await reader.query<Omit<GroupedEvent, 'position'> & { readonly position: bigint }>(
    FIND_ORDERED,
    placesOf(events),
  );
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}

function placesOf(events: readonly GroupedEvent[]): unknown[] {
  return [
    textArray(events.map(({ group }) => group)),
    textArray(events.map(({ topic }) => topic)),
    int2Array(events.map(({ partition }) => partition)),
    int8Array(events.map(({ position }) => position)),
  ];
}

interface WaitingRow extends Omit<WaitingEvent, 'position' | 'deadLetter'> {
  readonly position: bigint;
  readonly dead_letter: string | null;
}

interface AbandonedRow extends Omit<AbandonedEvent, 'position' | 'deadLetter'> {
  readonly position: bigint;
  readonly dead_letter: string;
}
