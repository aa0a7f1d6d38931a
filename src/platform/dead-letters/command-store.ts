/** What the commands about dead letters lock, load and write. No group's positions: what is ordered here is executed under them. */
import type { EpochMs } from '#kernel/clock.ts';
import { int2Array, int8Array, textArray, uuidArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { statement, type Transaction } from '../postgres/session.ts';
import {
  type DeadLetter,
  ORDERED_COLUMNS,
  type OrderAction,
  pendingOrderOf,
  UNORDERED_COLUMNS,
} from './dead-letter.ts';
import type { SetAction } from './replay.ts';

/** Dead letters of one replay; more of them are replayed by asking again. Each is a commit of some milliseconds. */
export const REPLAY_MAX = 10_000;

/** Ascending by id, by primary key; another tenant's are not there. */
export const LOCK_LETTERS = statement(
  'log.lock_dead_letters',
  `select d.id
   from ${batchRows('wanted', { id: 'uuid', tenant: 'text' })}
   cross join lateral (
     select id from log.dead_letters d where d.id = wanted.id and d.tenant = wanted.tenant for no key update
   ) d`,
);

const WITH_ORDER = `left join log.pending_redeliveries p on p.dead_letter = d.id left join log.redeliveries r on r.id = p.id`;

/** Behind the lock, in a later statement (R2). */
export const LOAD_LETTERS = statement(
  'log.load_dead_letters',
  `select ${ORDERED_COLUMNS}
   from ${batchRows('wanted', { id: 'uuid' })}
   cross join lateral (select * from log.dead_letters d where d.id = wanted.id offset 0) d
   ${WITH_ORDER}`,
);

/** Both load by the same; one of the tenant, open, and with no order pending. */
const OPEN = `d.tenant = $1 and d.state = 'open'
     and ($2::text is null or d.consumer_group = $2) and ($3::text is null or d.type = $3)
     and ($4::text is null or d.error_code = $4) and ($5::text is null or d.subject = $5)
     and ($6::text is null or d.target = $6)
     and not exists (select from log.pending_redeliveries p where p.dead_letter = d.id offset 0)`;

/**
 * The open ones of a tenant that nothing is ordered about, oldest first: of events by the (few) parked keys, each by primary
 * key; of what was given up by the index on what is open. An order that another process gives meanwhile meets the unique dead
 * letter of the pending ones; the batch is decided anew.
 */
export const LOAD_OPEN = statement(
  'log.load_open_dead_letters',
  `select ${UNORDERED_COLUMNS}
   from log.parked_keys k
   cross join lateral (select * from log.dead_letters d where d.id = k.dead_letter offset 0) d
   where ${OPEN}
   order by d.id limit ${REPLAY_MAX}`,
);
export const LOAD_GIVEN_UP = statement(
  'log.load_open_given_up',
  `select ${UNORDERED_COLUMNS} from log.dead_letters d where d.target is not null and ${OPEN}
   order by d.id limit ${REPLAY_MAX}`,
);

export const INSERT_ORDERS = statement(
  'log.insert_dead_letter_orders',
  `insert into log.redeliveries (id, consumer_group, topic, partition, position, action, dead_letter, replay, edited_data, reason,
                                 requested_by, requested_at)
   select id, consumer_group, topic, partition, position, action, dead_letter, replay, edited_data, reason, requested_by,
          $12::timestamptz
   from ${batchRows('asked', {
     id: 'uuid',
     consumer_group: 'text',
     topic: 'text',
     partition: 'smallint',
     position: 'bigint',
     action: 'text',
     dead_letter: 'uuid',
     replay: 'uuid',
     edited_data: 'text',
     reason: 'text',
     requested_by: 'text',
   })}`,
);
export const INSERT_PENDING = statement(
  'log.insert_pending_orders',
  `insert into log.pending_redeliveries (id, consumer_group, partition, dead_letter)
   select id, consumer_group, partition, dead_letter
   from ${batchRows('asked', { id: 'uuid', consumer_group: 'text', partition: 'smallint', dead_letter: 'uuid' })}`,
);
export const NOTE_ORDERS = statement(
  'log.note_dead_letter_orders',
  `insert into log.dead_letter_actions (dead_letter, at, action, actor, reason, data_before, data_after)
   select dead_letter, $7::timestamptz, action, actor, reason, data_before, data_after
   from ${batchRows('asked', {
     dead_letter: 'uuid',
     action: 'text',
     actor: 'text',
     reason: 'text',
     data_before: 'text',
     data_after: 'text',
   })}`,
);
/**
 * Takes back the order about a dead letter, which is locked: who executes an order locks it first, so it is either done, and
 * seen to be, or not begun.
 */
export const WITHDRAW_ORDER = statement(
  'log.withdraw_dead_letter_order',
  `with gone as (delete from log.pending_redeliveries where dead_letter = $1 returning id)
   update log.redeliveries set done_at = $2, outcome = 'withdrawn' where id = (select id from gone)`,
);
export const INSERT_REPLAY = statement(
  'log.insert_dead_letter_replay',
  `insert into log.dead_letter_replays (id, tenant, filter, total, reason, requested_by, requested_at, action)
   values ($1, $2, $3, $4, $5, $6, $7, $8)`,
);

/** Locked, then loaded. By id; what is not there does not exist for its tenant. */
export async function lockLetters(
  tx: Transaction,
  wanted: readonly { readonly tenant: string; readonly uuid: string }[],
): Promise<ReadonlyMap<string, DeadLetter>> {
  if (wanted.length === 0) return new Map();
  const sorted = wanted.toSorted((a, b) => (a.uuid < b.uuid ? -1 : 1));
  const uuids = uuidArray(sorted.map(({ uuid }) => uuid));
  const [locked, rows] = await Promise.all([
    tx.query<{ id: string }>(LOCK_LETTERS, [uuids, textArray(sorted.map(({ tenant }) => tenant))]),
    tx.query<DeadLetter>(LOAD_LETTERS, [uuids]),
  ]);
  const own = new Set(locked.map(({ id }) => id));
  return new Map(rows.filter(({ id }) => own.has(id)).map((letter) => [letter.id, letter]));
}

export interface OpenFilter {
  readonly group?: string;
  readonly type?: string;
  readonly error_code?: string;
  readonly subject?: string;
  readonly target?: string;
}

export async function loadOpen(
  tx: Transaction,
  tenant: string,
  { group, type, error_code, subject, target }: OpenFilter,
): Promise<DeadLetter[]> {
  const values = [tenant, group, type, error_code, subject, target].map((value) => value ?? null);
  const found = await Promise.all([
    tx.query<DeadLetter>(LOAD_OPEN, values),
    tx.query<DeadLetter>(LOAD_GIVEN_UP, values),
  ]);
  return found
    .flat()
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, REPLAY_MAX);
}

export interface NewOrder {
  /** Its uuid. */
  readonly id: string;
  readonly action: OrderAction;
  readonly letter: DeadLetter;
  readonly replay: string | null;
  readonly editedData: string | null;
  /** What is edited. */
  readonly originalData: string | null;
  readonly reason: string | null;
  readonly actor: string;
}

export interface NewReplay {
  /** Its uuid. */
  readonly id: string;
  readonly tenant: string;
  readonly action: SetAction;
  readonly filter: string;
  readonly total: number;
  readonly reason: string | null;
  readonly actor: string;
}

export function insertReplay(tx: Transaction, replay: NewReplay, now: EpochMs): void {
  const { id, tenant, action, filter, total, reason, actor } = replay;
  tx.run(INSERT_REPLAY, [id, tenant, filter, total, reason, actor, new Date(now), action]);
}

/** Of orders that are given by hand, one at a time. */
export function withdrawPending(tx: Transaction, orders: readonly NewOrder[], now: EpochMs): void {
  for (const { letter } of orders)
    if (pendingOrderOf(letter) !== undefined) tx.run(WITHDRAW_ORDER, [letter.id, new Date(now)]);
}

export function insertOrders(tx: Transaction, orders: readonly NewOrder[], now: EpochMs): void {
  if (orders.length === 0) return;
  const ids = uuidArray(orders.map(({ id }) => id));
  const groups = textArray(orders.map(({ letter }) => letter.consumer_group));
  const partitions = int2Array(orders.map(({ letter }) => letter.partition));
  const letters = uuidArray(orders.map(({ letter }) => letter.id));
  const reasons = textArray(orders.map(({ reason }) => reason));
  const actors = textArray(orders.map(({ actor }) => actor));
  const edited = textArray(orders.map(({ editedData }) => editedData));
  tx.run(INSERT_ORDERS, [
    ids,
    groups,
    textArray(orders.map(({ letter }) => letter.topic)),
    partitions,
    int8Array(orders.map(({ letter }) => letter.position)),
    textArray(orders.map(({ action }) => action)),
    letters,
    uuidArray(orders.map(({ replay }) => replay)),
    edited,
    reasons,
    actors,
    new Date(now),
  ]);
  tx.run(INSERT_PENDING, [ids, groups, partitions, letters]);
  tx.run(NOTE_ORDERS, [
    letters,
    textArray(orders.map(({ action }) => `${action}_requested`)),
    actors,
    reasons,
    textArray(orders.map(({ originalData }) => originalData)),
    edited,
    new Date(now),
  ]);
}
