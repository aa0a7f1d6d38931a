/**
 * What was delivered long ago is forgotten: attempts, deliveries, messages, and lanes of subjects that
 * nothing is said of any more.
 *
 * F1: a lane goes with the last of its deliveries, and not before its endpoint remembers a number as high as its last one:
 *     then a subject that is spoken of again begins after that number. What it remembers is raised in a turn before that one,
 *     so that whoever makes a lane has read it.
 * F2: a message goes after all deliveries of it.
 * F3: an event that is older than what is remembered is not told again (fan-out.ts).
 * F4: what has yet to be sent to an endpoint that is enabled stays, however old, with its lane and its message.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { isId, uuidOf } from '#kernel/ids.ts';
import type { Chore } from '#platform/batch/chore.ts';
import { FORGOTTEN_AT_ONCE, forgettingChore } from '#platform/batch/forgetting.ts';
import { int4Array, int8Array, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { keepMessages } from './lane-store.ts';

/** F2: a delivery's id is made a moment after the time that its message bears. */
const MESSAGES_LATER_MS = 10_000;

/**
 * By primary key, in its order; each with its lane and its endpoint by primary key. No lock: what a delivery is the last of is
 * asked again under the lane's. One that is waiting may be sent meanwhile, and is forgotten in the next round.
 */
export const READ_OLD_DELIVERIES = statement(
  'notification.read_old_deliveries',
  `select d.id, d.lane_key, d.event, newest.id = d.id as is_last,
     d.status = 'pending' and exists (
       select from notification.endpoints e where e.endpoint_key = d.endpoint_key and e.status = 'enabled' offset 0
     ) and (select l.due_at from notification.lanes l where l.lane_key = d.lane_key) is not null as is_waiting
   from notification.deliveries d
   cross join lateral (
     select n.id from notification.deliveries n where n.lane_key = d.lane_key order by n.turn desc limit 1
   ) newest
   where d.id > $1::uuid and d.id < $2::uuid
   order by d.id limit $3::integer`,
);

/** By primary key; one that is in use is left out, and one that has something to send (F4). */
export const LOCK_RESTING_LANES = statement(
  'notification.lock_resting_lanes',
  `select l.lane_key, l.endpoint_key, l.first_after + l.last_sequence as last_sequence
   from ${batchRows('wanted', { lane_key: 'bigint' })}
   cross join lateral (
     select * from notification.lanes l
     where l.lane_key = wanted.lane_key and (l.due_at is null or not exists (
       select from notification.endpoints e where e.endpoint_key = l.endpoint_key and e.status = 'enabled' offset 0
     ))
     for update skip locked
   ) l`,
);

/** The last delivery of each lane, by the index of turns, and what its endpoint remembers, by primary key. The lanes are locked. */
export const READ_LAST_OF_LANES = statement(
  'notification.read_last_of_lanes',
  `select wanted.lane_key, newest.id, e.forgotten_sequence
   from ${batchRows('wanted', { lane_key: 'bigint', endpoint_key: 'bigint' })}
   cross join lateral (
     select n.id from notification.deliveries n where n.lane_key = wanted.lane_key order by n.turn desc limit 1
   ) newest
   cross join lateral (
     select e.forgotten_sequence from notification.endpoints e where e.endpoint_key = wanted.endpoint_key offset 0
   ) e`,
);

/** By primary key, as the ones below; those of a lane that are no longer written, or whose lane is locked. */
export const FORGET_ATTEMPTS = statement(
  'notification.forget_attempts',
  `delete from notification.delivery_attempts a
   using ${batchRows('v', { delivery: 'uuid' })}
   cross join lateral (
     select t.ctid from notification.delivery_attempts t where t.delivery = v.delivery offset 0
   ) as found(at)
   where a.ctid = found.at`,
);

export const FORGET_DELIVERIES = statement(
  'notification.forget_deliveries',
  `delete from notification.deliveries d
   using ${batchRows('v', { id: 'uuid' })}
   cross join lateral (select t.ctid from notification.deliveries t where t.id = v.id offset 0) as found(at)
   where d.ctid = found.at`,
);

export const FORGET_LANES = statement(
  'notification.forget_lanes',
  `delete from notification.lanes l
   using ${batchRows('v', { lane_key: 'bigint' })}
   cross join lateral (select t.ctid from notification.lanes t where t.lane_key = v.lane_key offset 0) as found(at)
   where l.ctid = found.at`,
);

/** By primary key, behind the lanes; in the order given, which is ascending. */
export const REMEMBER_SEQUENCES = statement(
  'notification.remember_sequences',
  `update notification.endpoints e set forgotten_sequence = greatest(e.forgotten_sequence, v.sequence)
   from ${batchRows('v', { endpoint_key: 'bigint', sequence: 'integer' })}
   cross join lateral (
     select t.ctid from notification.endpoints t where t.endpoint_key = v.endpoint_key for no key update
   ) as found(at)
   where e.ctid = found.at`,
);

/** The oldest, by the index on their age; one that is queued again just now is left out. */
export const FORGET_MESSAGES = statement(
  'notification.forget_messages',
  `delete from notification.messages m
   where m.ctid = any (array(
     select t.ctid from notification.messages t where t.queued_at < $1::timestamptz
     order by t.queued_at limit $2::integer for update skip locked
   ))
   returning 1 as forgotten`,
);

export interface RetentionOptions {
  /** For this alone. */
  readonly session: Session;
  readonly clock: Clock;
  readonly retentionMs: number;
  readonly random: () => number;
  readonly onError: (error: unknown) => void;
}

interface OldDelivery {
  id: string;
  lane_key: bigint;
  event: string;
  is_last: boolean;
  is_waiting: boolean;
}

interface RestingLane {
  lane_key: bigint;
  endpoint_key: bigint;
  last_sequence: number;
}

interface LastOfLane {
  lane_key: bigint;
  id: string;
  forgotten_sequence: number;
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly chore: Chore;
  #after = firstUuidAt(0);
  /** By endpoint, what it remembered when this round first saw it (F1). */
  readonly #remembered = new Map<bigint, number>();

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.chore = forgettingChore({ ...options, forgetPage: () => this.forgetPage() });
  }

  /** Whether there may be more. */
  async forgetPage(): Promise<boolean> {
    const { session, clock, retentionMs } = this.#options;
    const now = clock.now();
    const until = now - retentionMs;
    const old = await session.transaction((tx) => this.#forgetDeliveries(tx, firstUuidAt(until), now));
    this.#after = old.at(-1)?.id ?? this.#after;
    if (old.length === FORGOTTEN_AT_ONCE) return true;
    const messages = await session.query(FORGET_MESSAGES, [
      new Date(until - MESSAGES_LATER_MS),
      FORGOTTEN_AT_ONCE,
    ]);
    if (messages.length === FORGOTTEN_AT_ONCE) return true;
    this.#after = firstUuidAt(0);
    this.#remembered.clear();
    return false;
  }

  async #forgetDeliveries(tx: Transaction, until: string, now: EpochMs): Promise<readonly OldDelivery[]> {
    const old = await tx.query<OldDelivery>(READ_OLD_DELIVERIES, [this.#after, until, FORGOTTEN_AT_ONCE]);
    if (old.length === 0) return old;
    const { waiting = [], over = [] } = Object.groupBy(old, (each) => (each.is_waiting ? 'waiting' : 'over'));
    if (waiting.length > 0) await keepMessages(tx, eventsOf(waiting), now); // F4, before the lanes as all do
    const lanes = await lockResting(tx, over);
    const last = await this.#lastOf(tx, lanes, until);
    const forgotten = lanes.filter((lane) => this.#isRemembered(lane, last.get(lane.lane_key)));
    const gone = new Set(forgotten.map(({ lane_key }) => last.get(lane_key)?.id));
    const deliveries = over.filter(({ id, is_last }) => !is_last || gone.has(id)).map(({ id }) => id);
    tx.run(FORGET_ATTEMPTS, [uuidArray(deliveries)]);
    tx.run(FORGET_DELIVERIES, [uuidArray(deliveries)]);
    tx.run(FORGET_LANES, [int8Array(forgotten.map(({ lane_key }) => lane_key))]);
    remember(
      tx,
      lanes.filter(({ lane_key }) => last.has(lane_key)),
    );
    return old;
  }

  /** Of the lanes of which nothing younger is there. */
  async #lastOf(tx: Transaction, lanes: readonly RestingLane[], until: string) {
    const rows = await tx.query<LastOfLane>(READ_LAST_OF_LANES, [
      int8Array(lanes.map(({ lane_key }) => lane_key)),
      int8Array(lanes.map(({ endpoint_key }) => endpoint_key)),
    ]);
    return new Map(rows.filter(({ id }) => id < until).map((row) => [row.lane_key, row]));
  }

  // F1
  #isRemembered({ endpoint_key, last_sequence }: RestingLane, last: LastOfLane | undefined): boolean {
    if (last === undefined) return false;
    const remembered = this.#remembered.get(endpoint_key) ?? last.forgotten_sequence;
    this.#remembered.set(endpoint_key, remembered);
    return last_sequence <= remembered;
  }
}

function eventsOf(deliveries: readonly OldDelivery[]): string[] {
  return deliveries.map(({ event }) => event);
}

function lockResting(tx: Transaction, old: readonly OldDelivery[]): Promise<RestingLane[]> {
  const keys = old.flatMap(({ lane_key, is_last }) => (is_last ? lane_key : []));
  return tx.query<RestingLane>(LOCK_RESTING_LANES, [int8Array(keys)]);
}

function remember(tx: Transaction, lanes: readonly RestingLane[]): void {
  const highest = new Map<bigint, number>();
  for (const { endpoint_key, last_sequence } of lanes)
    highest.set(endpoint_key, Math.max(last_sequence, highest.get(endpoint_key) ?? 0));
  const inOrder = [...highest].sort(([a], [b]) => (a < b ? -1 : 1));
  tx.run(REMEMBER_SEQUENCES, [
    int8Array(inOrder.map(([key]) => key)),
    int4Array(inOrder.map(([, sequence]) => sequence)),
  ]);
}

/** Whether the subject is known to be younger than that: its id tells, where it is one of ours. */
export function isBornSince(subject: string, at: EpochMs): boolean {
  return (isId('pay', subject) || isId('ref', subject)) && uuidOf(subject) >= firstUuidAt(at);
}
