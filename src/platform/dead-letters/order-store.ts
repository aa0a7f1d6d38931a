/** The statements of the redeliverer. All but the look for work run under the positions of one group and partition. */
import { int2Array, textArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '../postgres/session.ts';
import type { BuriedEvent } from './bury.ts';
import type { GroupedEvent, RedeliveryOutcome } from './redelivery.ts';

/** Orders looked at in one turn; each is a transaction of some milliseconds. */
const ORDERS_PER_TURN = 200;
/** Keys worked off in one turn, a page of each. */
const KEYS_PER_TURN = 200;

/**
 * Of the groups' partitions given, after an id, of tenants that are none of these; what is no tenant's order is of nobody, ''. Both
 * tables hold only what is to be done: by their primary keys, and dead letters by theirs. Keys come in no order, so that those which
 * cannot go on just now keep none from being looked at.
 */
export const FIND_ORDERS = statement(
  'log.find_pending_orders',
  `select p.id, p.consumer_group as "group", p.partition, coalesce(d.is_given_up, false) as "isGivenUp",
          coalesce(d.tenant, '') as tenant
   from log.pending_redeliveries p
   left join lateral (
     select d.tenant, d.work is not null as is_given_up from log.dead_letters d where d.id = p.dead_letter offset 0
   ) d on true
   where exists (select from ${batchRows('owned', { grp: 'text', partition: 'smallint' })}
                 where owned.grp = p.consumer_group and owned.partition = p.partition)
     and p.id > $3 and coalesce(d.tenant, '') <> all ($4::text[])
   order by p.id limit ${ORDERS_PER_TURN}`,
);
export const FIND_UNLOCKED_KEYS = statement(
  'log.find_keys_to_work_off',
  `select k.consumer_group as "group", k.partition, k.parking_key as key from log.parked_keys k
   where k.dead_letter is null
     and exists (select from ${batchRows('owned', { grp: 'text', partition: 'smallint' })}
                 where owned.grp = k.consumer_group and owned.partition = k.partition)
   order by random() limit ${KEYS_PER_TURN}`,
);

/**
 * R1: what a group has of a partition, locked in the order of its positions. Nothing is compared: all that is concluded is
 * read by later statements, under the lock (R2). By primary key.
 */
export const HOLD_POSITIONS = statement(
  'log.hold_positions',
  `select topic, position from log.positions
   where consumer_group = $1 and partition = $2 order by topic for no key update`,
);
/** Whoever believes in the positions or parked keys as they were is fenced by this. */
export const MOVE_TURNS = statement(
  'log.move_turns',
  'update log.positions set turn = turn + 1 where consumer_group = $1 and partition = $2',
);

/** By primary keys. Whoever would give another order about the dead letter waits until this one is done or has failed. */
export const LOCK_LETTER_OF = statement(
  'log.lock_dead_letter_of_order',
  `select d.id from log.pending_redeliveries p
   cross join lateral (
     select d.id from log.dead_letters d where d.id = p.dead_letter for no key update
   ) d
   where p.id = $1`,
);
/** Behind the lock, in a later statement (R2). */
export const LOAD_ORDER = statement(
  'log.load_order',
  `select r.id, r.consumer_group as "group", r.topic, r.partition, r.position, r.action, r.dead_letter, r.edited_data,
          r.reason, r.requested_by, d.parking_key, d.state, d.tenant, d.subject, d.type, d.work
   from log.pending_redeliveries p
   join log.redeliveries r on r.id = p.id
   left join log.dead_letters d on d.id = r.dead_letter
   where p.id = $1`,
);
export const COUNT_PARKED = statement(
  'log.count_parked_keys',
  `select count(*)::integer as count from log.parked_keys
   where consumer_group = $1 and partition = $2 and parking_key = $3`,
);
export const NEXT_PARKED = statement(
  'log.next_parked_events',
  `select e.seq, e.topic, e.partition, e.position, e.tenant, e.subject, e.type, e.version,
          e.correlation_id as "correlationId"
   from log.parked_events e
   where e.consumer_group = $1 and e.partition = $2 and e.parking_key = $3 order by e.seq limit $4`,
);
export const LOAD_FRONT = statement(
  'log.load_parked_key',
  `select dead_letter from log.parked_keys where consumer_group = $1 and partition = $2 and parking_key = $3`,
);
export const UNPARK_EVENTS = statement(
  'log.unpark_events',
  `delete from log.parked_events
   where consumer_group = $1 and partition = $2 and parking_key = $3 and seq <= $4`,
);
export const UNPARK_ALL = statement(
  'log.unpark_all_events',
  `with gone as (
     delete from log.parked_events where consumer_group = $1 and partition = $2 and parking_key = $3
     returning topic, partition, position, seq
   ), abandoned as (
     insert into log.abandoned_events (consumer_group, topic, partition, position, dead_letter)
     select $1, topic, partition, position, $4::uuid from gone
     on conflict (consumer_group, topic, partition, position) do update set dead_letter = excluded.dead_letter
   )
   select topic || '/' || partition || '/' || position as identity from gone order by seq`,
);
/** A group that was set back may meet an event again that was given up before: the dead letter of now counts. */
export const ABANDON = statement(
  'log.abandon_event',
  `insert into log.abandoned_events (consumer_group, topic, partition, position, dead_letter)
   values ($1, $2, $3, $4, $5)
   on conflict (consumer_group, topic, partition, position) do update set dead_letter = excluded.dead_letter`,
);
/** The key goes on: free if nothing waits, else worked off. The second sees what the transaction has deleted. */
export const RELEASE_KEY = statement(
  'log.release_key',
  `update log.parked_keys set dead_letter = null
   where consumer_group = $1 and partition = $2 and parking_key = $3`,
);
export const DROP_EMPTY_KEY = statement(
  'log.drop_empty_key',
  `delete from log.parked_keys k
   where k.consumer_group = $1 and k.partition = $2 and k.parking_key = $3 and k.dead_letter is null
     and not exists (select from log.parked_events e where e.consumer_group = k.consumer_group
                     and e.partition = k.partition and e.parking_key = k.parking_key)`,
);
export const RESOLVE = statement(
  'log.resolve_dead_letter',
  `update log.dead_letters
   set state = $2, edited_data = $3, resolved_at = $4, replayed_as = $5, waits_for = null
   where id = $1`,
);
export const FAIL_AGAIN = statement(
  'log.fail_dead_letter_again',
  `update log.dead_letters set attempts = attempts + 1, error_code = $2, error = $3, failed_last_at = $4 where id = $1`,
);
export const FINISH_ORDER = statement(
  'log.finish_order',
  `with done as (delete from log.pending_redeliveries where id = $1)
   update log.redeliveries set done_at = $2, outcome = $3, error = $4 where id = $1`,
);

export interface GroupPartition {
  readonly group: string;
  readonly partition: number;
}

export interface PendingOrder extends GroupPartition {
  readonly id: string;
  /** About what a service has given up, and no event that its group could not handle. */
  readonly isGivenUp: boolean;
  /** Whose dead letter it is about. */
  readonly tenant: string;
}

export interface ParkedKey extends GroupPartition {
  readonly key: string;
}

function ownedArrays(owned: readonly GroupPartition[]): unknown[] {
  return [textArray(owned.map(({ group }) => group)), int2Array(owned.map(({ partition }) => partition))];
}

/** Before every other. */
export const FIRST_ID = '00000000-0000-0000-0000-000000000000';

export interface Work {
  readonly orders: readonly PendingOrder[];
  readonly keys: readonly ParkedKey[];
  /** Whether there are more orders than that. */
  readonly hasMore: boolean;
}

/** What there is to do in the partitions: orders from the id on, of tenants that are none of these. */
export async function findWork(
  session: Session,
  owned: readonly GroupPartition[],
  { after, without }: { readonly after: string; readonly without: readonly string[] },
): Promise<Work> {
  const values = ownedArrays(owned);
  const [orders, keys] = await Promise.all([
    session.query<PendingOrder>(FIND_ORDERS, [...values, after, textArray(without)]),
    session.query<ParkedKey>(FIND_UNLOCKED_KEYS, values),
  ]);
  return { orders, keys, hasMore: orders.length === ORDERS_PER_TURN };
}

/** By topic. */
export type HeldPositions = ReadonlyMap<string, number>;

export async function holdPositions(tx: Transaction, of: GroupPartition): Promise<HeldPositions> {
  const rows = await tx.query<{ topic: string; position: bigint }>(HOLD_POSITIONS, [of.group, of.partition]);
  return new Map(rows.map(({ topic, position }) => [topic, Number(position)]));
}

export function moveTurns(tx: Transaction, of: GroupPartition): void {
  tx.run(MOVE_TURNS, [of.group, of.partition]);
}

/** Of an order about a dead letter. */
export type AboutDeadLetter = Extract<Order['about'], { readonly deadLetter: string }>;

export interface Order extends GroupPartition {
  readonly id: string;
  readonly topic: string;
  readonly position: number;
  readonly reason: string | null;
  readonly requestedBy: string;
  readonly about:
    | { readonly action: 'redeliver' }
    | {
        readonly action: 'replay' | 'skip' | 'discard';
        /** Its uuid. */
        readonly deadLetter: string;
        readonly key: string;
        readonly isOpen: boolean;
        readonly editedData: string | null;
        /** Of what was given up. */
        readonly work: GivenUpPlace | undefined;
      };
}

export interface GivenUpPlace {
  readonly id: string;
  readonly tenant: string;
  readonly subject: string;
  readonly type: string;
}

interface OrderRow extends GroupPartition {
  readonly id: string;
  readonly topic: string;
  readonly position: bigint;
  readonly action: 'redeliver' | 'replay' | 'skip' | 'discard';
  readonly dead_letter: string | null;
  readonly edited_data: string | null;
  readonly reason: string | null;
  readonly requested_by: string;
  readonly parking_key: string | null;
  readonly state: string | null;
  readonly tenant: string;
  readonly subject: string;
  readonly type: string;
  readonly work: string | null;
}

/** Locked, then loaded: undefined when it is done, or withdrawn. */
export async function loadOrder(tx: Transaction, id: string): Promise<Order | undefined> {
  const [, [row]] = await Promise.all([tx.query(LOCK_LETTER_OF, [id]), tx.query<OrderRow>(LOAD_ORDER, [id])]);
  if (row === undefined) return undefined;
  const { group, partition, topic, reason, requested_by: requestedBy, action } = row;
  const order = { id, group, partition, topic, position: Number(row.position), reason, requestedBy };
  if (action === 'redeliver' || row.dead_letter === null || row.parking_key === null)
    return { ...order, about: { action: 'redeliver' } };
  const { dead_letter: deadLetter, parking_key: key, edited_data: editedData, state } = row;
  const { tenant, subject, type, work: given } = row;
  const work = given === null ? undefined : { id: given, tenant, subject, type };
  return { ...order, about: { action, deadLetter, key, isOpen: state === 'open', editedData, work } };
}

export async function isParked(tx: Transaction, { group, partition, key }: ParkedKey): Promise<boolean> {
  const [row] = await tx.query<{ count: number }>(COUNT_PARKED, [group, partition, key]);
  return (row?.count ?? 0) > 0;
}

export interface ParkedPlace extends BuriedEvent {
  readonly seq: bigint;
}

/** The next that wait, in order; undefined if the key is not one to work off. */
export async function nextParked(
  tx: Transaction,
  parked: ParkedKey,
  limit: number,
): Promise<readonly ParkedPlace[] | undefined> {
  const key = [parked.group, parked.partition, parked.key];
  const [fronts, rows] = await Promise.all([
    tx.query<{ dead_letter: string | null }>(LOAD_FRONT, key),
    tx.query<Omit<ParkedPlace, 'position'> & { readonly position: bigint }>(NEXT_PARKED, [...key, limit]),
  ]);
  if (fronts[0]?.dead_letter !== null) return undefined;
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}

/** Those up to the sequence number are handled; the key is free when none is left. */
export function unpark(tx: Transaction, { group, partition, key }: ParkedKey, upTo: bigint): void {
  tx.run(UNPARK_EVENTS, [group, partition, key, upTo]);
  tx.run(DROP_EMPTY_KEY, [group, partition, key]);
}

/** The dead letter in front is resolved: what waits behind it goes on. */
export function releaseKey(tx: Transaction, { group, partition, key }: ParkedKey): void {
  tx.run(RELEASE_KEY, [group, partition, key]);
  tx.run(DROP_EMPTY_KEY, [group, partition, key]);
}

/** Gives up for good all that waits behind the dead letter; returns the identities, in order. */
export async function unparkAll(
  tx: Transaction,
  { group, partition, key }: ParkedKey,
  deadLetter: string,
): Promise<string[]> {
  const rows = await tx.query<{ identity: string }>(UNPARK_ALL, [group, partition, key, deadLetter]);
  return rows.map(({ identity }) => identity);
}

/** The event of a dead letter (its uuid) is not handed to the group again. */
export function abandon(tx: Transaction, event: GroupedEvent, deadLetter: string): void {
  tx.run(ABANDON, [event.group, event.topic, event.partition, event.position, deadLetter]);
}

export function resolve(
  tx: Transaction,
  letter: {
    uuid: string;
    state: 'replayed' | 'skipped' | 'discarded';
    editedData: string | null;
    replayedAs?: string;
    at: number;
  },
): void {
  const { uuid, state, editedData, at, replayedAs = null } = letter;
  tx.run(RESOLVE, [uuid, state, editedData, new Date(at), replayedAs]);
}

export function failAgain(
  tx: Transaction,
  letter: { uuid: string; code: string; text: string; at: number },
): void {
  tx.run(FAIL_AGAIN, [letter.uuid, letter.code, letter.text, new Date(letter.at)]);
}

export function finishOrder(
  tx: Transaction,
  order: { id: string; outcome: RedeliveryOutcome; error?: string | null; at: number },
): void {
  tx.run(FINISH_ORDER, [order.id, new Date(order.at), order.outcome, order.error ?? null]);
}
