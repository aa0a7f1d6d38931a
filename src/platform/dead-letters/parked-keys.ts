/**
 * Which keys of a group are parked, as read with its positions: what comes for one of them waits behind its dead letter.
 * They change together with a turn of the positions and never else, so whoever believes in stale ones is fenced (R1).
 */

import { eventIdentity, type LogEvent } from '../log/event.ts';
import { int2Array, int8Array, textArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '../postgres/session.ts';

/** The (few) keys of a group: by the primary key's prefix. */
export const LOAD_PARKED_KEYS = statement(
  'log.load_parked_keys',
  `select partition, parking_key, topic, position from log.parked_keys where consumer_group = $1`,
);

/**
 * What is parked beyond the group's positions: where a consumer retains events its position stays before them, and what
 * lies behind is read again. By the unique index of identities, and the keys' primary key.
 */
export const LOAD_PARKED_AHEAD = statement(
  'log.load_parked_ahead',
  `select ahead.topic, ahead.partition, ahead.position
   from log.positions p
   cross join lateral (
     select e.topic, e.partition, e.position from log.parked_events e
     where e.consumer_group = p.consumer_group and e.topic = p.topic and e.partition = p.partition
       and e.position > p.position
     union all
     select k.topic, k.partition, k.position from log.parked_keys k
     where k.consumer_group = p.consumer_group and k.partition = p.partition and k.topic = p.topic
       and k.position > p.position
   ) ahead
   where p.consumer_group = $1`,
);

/**
 * How far a group has handled everything, in SQL: its position, or the place before the first event that it passed but has
 * parked, as a dead letter or behind one. `p`: a row of `log.positions`. By the unique index of identities, and the keys'
 * primary key.
 */
export function handledUpTo(p: string): string {
  return `least(${p}.position, (
    select min(e.position) - 1 from log.parked_events e
    where e.consumer_group = ${p}.consumer_group and e.topic = ${p}.topic and e.partition = ${p}.partition
  ), (
    select min(k.position) - 1 from log.parked_keys k
    where k.consumer_group = ${p}.consumer_group and k.partition = ${p}.partition and k.topic = ${p}.topic
  ))`;
}

/** The partitions in which one of the groups has a parked key. */
export const FIND_PARKED_PARTITIONS = statement(
  'log.find_parked_partitions',
  'select distinct partition from log.parked_keys where consumer_group = any ($1::text[])',
);

/** In the order given, which is that of arrival: the sequence numbers are drawn in it. Locks nothing but the new rows. */
export const PARK_EVENTS = statement(
  'log.park_events',
  `insert into log.parked_events (consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                  correlation_id, parked_at)
   select $1, partition, parking_key, topic, position, tenant, subject, type, version, correlation_id, now()
   from ${batchRows(
     'batch',
     {
       partition: 'smallint',
       parking_key: 'text',
       topic: 'text',
       position: 'bigint',
       tenant: 'text',
       subject: 'text',
       type: 'text',
       version: 'smallint',
       correlation_id: 'text',
     },
     2,
   )}`,
);

/** By what a consumer's events hold each other up: an event of a key waits for the ones before it. */
export type ParkingKeyOf = (event: LogEvent) => string;

/** Subjects are unique within a tenant. */
export function subjectOf({ tenant, subject }: LogEvent): string {
  return `${tenant}/${subject}`;
}

interface ParkedPlace {
  readonly topic: string;
  readonly position: number;
}

/** `parked`: to be put behind what its key waits for. `taken`: it waits there already, or is the dead letter. */
export type Standing = 'free' | 'parked' | 'taken';

export class ParkedKeys {
  static readonly NONE = new ParkedKeys(subjectOf, new Map(), new Set());
  readonly #keyOf: ParkingKeyOf;
  /** Where the event in front stands. */
  readonly #keys: ReadonlyMap<string, ParkedPlace>;
  /** Identities beyond the positions. */
  readonly #ahead: ReadonlySet<string>;

  private constructor(
    keyOf: ParkingKeyOf,
    keys: ReadonlyMap<string, ParkedPlace>,
    ahead: ReadonlySet<string>,
  ) {
    this.#keyOf = keyOf;
    this.#keys = keys;
    this.#ahead = ahead;
  }

  /** Sent behind the statement that reads the positions: then it is as new as they are, or newer and fenced. */
  static async read(session: Session, group: string, keyOf: ParkingKeyOf): Promise<ParkedKeys> {
    const rows = await session.query<ParkedRow & { parking_key: string }>(LOAD_PARKED_KEYS, [group]);
    if (rows.length === 0) return ParkedKeys.NONE;
    const ahead = await session.query<ParkedRow>(LOAD_PARKED_AHEAD, [group]);
    return new ParkedKeys(
      keyOf,
      new Map(rows.map((row) => [keyIn(row.partition, row.parking_key), placeOf(row)])),
      new Set(ahead.map((row) => eventIdentity({ ...row, ...placeOf(row) }))),
    );
  }

  standingOf(event: LogEvent): Standing {
    if (this.#keys.size === 0) return 'free';
    const front = this.#keys.get(keyIn(event.partition, this.#keyOf(event)));
    if (front === undefined) return 'free';
    if (this.#ahead.has(eventIdentity(event))) return 'taken';
    // Retained before the one in front failed, and read again.
    if (event.topic === front.topic && event.position < front.position) return 'free';
    return 'parked';
  }
}

interface ParkedRow {
  readonly partition: number;
  readonly topic: string;
  readonly position: bigint;
}

function keyIn(partition: number, key: string): string {
  return `${partition} ${key}`;
}

function placeOf({ topic, position }: ParkedRow): ParkedPlace {
  return { topic, position: Number(position) };
}

/** In the transaction that moves the positions past the events. */
export function parkEvents(
  tx: Transaction,
  { group, keyOf, events }: { group: string; keyOf: ParkingKeyOf; events: readonly LogEvent[] },
): void {
  if (events.length === 0) return;
  tx.run(PARK_EVENTS, [
    group,
    int2Array(events.map(({ partition }) => partition)),
    textArray(events.map(keyOf)),
    textArray(events.map(({ topic }) => topic)),
    int8Array(events.map(({ position }) => position)),
    textArray(events.map(({ tenant }) => tenant)),
    textArray(events.map(({ subject }) => subject)),
    textArray(events.map(({ type }) => type)),
    int2Array(events.map(({ version }) => version)),
    textArray(events.map(({ correlationId }) => correlationId)),
  ]);
}

export async function findParkedPartitions(
  session: Session,
  groups: readonly string[],
): Promise<ReadonlySet<number>> {
  const rows = await session.query<{ partition: number }>(FIND_PARKED_PARTITIONS, [textArray(groups)]);
  return new Set(rows.map(({ partition }) => partition));
}
