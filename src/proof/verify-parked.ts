/**
 * Proves that what a group has set aside is waited for by somebody: a stage that waits behind a dead letter is no finding, and
 * what excuses it must be there, or it waits for ever and nobody is told. No log tells of dead letters: their tables are compared
 * with each other, at one instant, as each of them changes together with the others.
 *
 * VP1: a key is parked behind a dead letter that is open, of its group.
 * VP2: an event waits for a key that is parked.
 * VP3: what a group has passed over for good, it has with a dead letter that a person has skipped or discarded.
 * VP4: an order that is not carried out is among those that are still to be.
 */
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Check } from './report.ts';

/** Of each kind; one of them shows that the tables were edited. */
const LISTED_MAX = 100;

const KINDS = {
  parked_behind_nothing: 'its key is parked behind a dead letter that is not there, or not open',
  waits_for_nothing: 'it waits behind a dead letter, and its key is not parked',
  abandoned_by_nobody: 'its group has passed it over for good, and no dead letter was skipped or discarded',
  lost_order: 'an order about it is not carried out, and not among those that are still to be',
} as const;

/** What is parked, or ordered, is little, and the rest is looked up by primary key. */
const FIND_WITHOUT_LETTER = `
  (select 'parked_behind_nothing' as kind, k.consumer_group, k.topic, k.partition, k.position
   from log.parked_keys k
   where k.dead_letter is not null and not exists (
     select from log.dead_letters d
     where d.id = k.dead_letter and d.state = 'open' and d.consumer_group = k.consumer_group
       and d.partition = k.partition and d.parking_key = k.parking_key)
   limit $1)
  union all
  (select 'waits_for_nothing', e.consumer_group, e.topic, e.partition, e.position
   from log.parked_events e
   where not exists (
     select from log.parked_keys k
     where k.consumer_group = e.consumer_group and k.partition = e.partition and k.parking_key = e.parking_key)
   limit $1)
  union all
  (select 'abandoned_by_nobody', a.consumer_group, a.topic, a.partition, a.position
   from log.abandoned_events a
   where not exists (
     select from log.dead_letters d
     where d.id = a.dead_letter and d.state in ('skipped', 'discarded') and d.consumer_group = a.consumer_group)
   limit $1)
  union all
  (select 'lost_order', r.consumer_group, r.topic, r.partition, r.position
   from log.redeliveries r
   where r.done_at is null and not exists (select from log.pending_redeliveries p where p.id = r.id)
   limit $1)`;

interface FoundRow {
  readonly kind: keyof typeof KINDS;
  readonly consumer_group: string;
  readonly topic: string;
  readonly partition: number;
  readonly position: bigint;
}

export async function verifyParked(reader: Reader, check: Check): Promise<void> {
  const rows = await reader.query<FoundRow>(FIND_WITHOUT_LETTER, [LISTED_MAX]);
  for (const { kind, consumer_group: group, topic, partition, position } of rows) {
    const subject = `${topic}/${partition}/${position}`;
    check.found({ kind, subject, detail: `${group}: ${KINDS[kind]}` });
  }
}
