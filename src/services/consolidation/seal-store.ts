/** The statements by which days are sealed. */
import type { EpochMs } from '#kernel/clock.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { LogGap } from '#platform/log/event-log.ts';
import { int2Array, int8Array, textArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { GROUP, READ_TOPICS } from './consumer.ts';
import type { DayRef } from './count-postings.ts';
import type { Day } from './day.ts';
import { type DayRow, dayFrom, dayRowIn } from './day-row.ts';
import { type AccountName, accountsNamedIn, nameText } from './posting.ts';
import { noteChange, reserveChange } from './store.ts';

/** Days of one commit. */
const SEAL_PAGE = 500;

/** All there are: a row per topic and partition. */
export const READ_HEADS = statement(
  'consolidation.read_heads',
  'select h.topic, h.partition, h.position from log.heads h where h.topic = any ($1::text[])',
);

/** Whether the group is before any of the places; without a position it is before all. By primary key. */
export const READ_BEHIND = statement(
  'consolidation.read_behind',
  `select from ${batchRows('place', { topic: 'text', partition: 'smallint', position: 'bigint' })}
   where place.position > coalesce((
     select p.position from log.positions p
     where p.consumer_group = '${GROUP}' and p.topic = place.topic and p.partition = place.partition
   ), 0)
   limit 1`,
);

/** The next days that are not sealed, with their accounts. By the index on those, in its order, then by primary key. */
export const LIST_UNSEALED = statement(
  'consolidation.list_unsealed',
  `select d.account_key, d.day, a.tenant, a.id, a.time_zone
   from (
     select d.account_key, d.day from consolidation.days d
     where d.sealed_at is null and (d.day, d.account_key) > ($1::text::date, $2::bigint) and d.day <= $3::text::date
     order by d.day, d.account_key limit ${SEAL_PAGE}
   ) d
   cross join lateral (select * from consolidation.accounts a where a.key = d.account_key offset 0) a
   order by d.day, d.account_key`,
);

const WANTED = batchRows('wanted', { account_key: 'bigint', day: 'text' });

/** Behind the accounts' locks: what somebody else has sealed meanwhile is not among them. By the index on what is not sealed. */
export const LOAD_UNSEALED = statement(
  'consolidation.load_unsealed',
  `select ${dayRowIn('d')}
   from ${WANTED}
   cross join lateral (
     select * from consolidation.days d
     where d.account_key = wanted.account_key and d.day = wanted.day::date and d.sealed_at is null offset 0
   ) d`,
);

/** Under the accounts' locks. By primary key. */
export const SEAL_DAYS = statement(
  'consolidation.seal_days',
  `update consolidation.days d set sealed_at = $3::timestamptz
   from ${WANTED}
   cross join lateral (
     select t.ctid as at from consolidation.days t
     where t.account_key = wanted.account_key and t.day = wanted.day::date offset 0
   ) found
   where d.ctid = found.at`,
);

/**
 * Events that the group could not count, or was told to pass over: few. By the primary keys' prefix, then by primary key of
 * their dead letters and of the logs. `data` is null of one that its log lacks.
 */
export const FIND_STOPPING = statement(
  'consolidation.find_stopping',
  `select stopping.topic, stopping.partition, stopping.position, coalesce(e.tenant, letter.tenant) as tenant, e.data
   from (
     select k.topic, k.partition, k.position, k.dead_letter from log.parked_keys k
     where k.consumer_group = '${GROUP}' and k.dead_letter is not null
     union all
     select a.topic, a.partition, a.position, a.dead_letter from log.abandoned_events a where a.consumer_group = '${GROUP}'
   ) stopping
   left join lateral (
     select l.tenant from log.dead_letters l
     where l.id = stopping.dead_letter and l.consumer_group = '${GROUP}' offset 0
   ) letter on true
   left join lateral (
     ${READ_TOPICS.map(
       (topic) => `select e.tenant, e.data from ${topic}.events e
     where stopping.topic = '${topic}' and e.partition = stopping.partition and e.position = stopping.position`,
     ).join(' union all ')}
   ) e on true`,
);

export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
}

interface PlaceRow extends Omit<Place, 'position'> {
  readonly position: bigint;
}

export async function readHeads(session: Session): Promise<Place[]> {
  const rows = await session.query<PlaceRow>(READ_HEADS, [textArray(READ_TOPICS)]);
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}

export async function readBehind(session: Session, heads: readonly Place[]): Promise<boolean> {
  const behind = await session.query(READ_BEHIND, [
    textArray(heads.map(({ topic }) => topic)),
    int2Array(heads.map(({ partition }) => partition)),
    int8Array(heads.map(({ position }) => position)),
  ]);
  return behind.length > 0;
}

export interface UnsealedDay extends DayRef, AccountName {
  readonly timeZone: string;
}

/** Where a page of days that are not sealed begins. */
export interface UnsealedPlace {
  readonly day: string;
  readonly key: bigint;
}

/** No day of a ledger is before it. */
export const FIRST_PLACE: UnsealedPlace = { day: '-infinity', key: 0n };

/** A day is over in no zone before so long after it has begun in UTC: the easternmost is 14 hours ahead. */
const OVER_SOMEWHERE_MS = 10 * 3_600_000;

/** Days that may be over by `upTo` in some zone. `next` is `FIRST_PLACE` behind the last page. */
export async function listUnsealed(
  session: Session,
  { after, upTo }: { readonly after: UnsealedPlace; readonly upTo: EpochMs },
): Promise<{ readonly days: readonly UnsealedDay[]; readonly next: UnsealedPlace }> {
  const last = new Date(upTo - OVER_SOMEWHERE_MS).toISOString().slice(0, 10);
  const rows = await session.query<UnsealedRow>(LIST_UNSEALED, [after.day, after.key, last]);
  const days = rows.map((row) => ({
    key: row.account_key,
    day: row.day,
    tenant: row.tenant,
    id: row.id,
    timeZone: row.time_zone,
  }));
  const lastDay = days.at(-1);
  return { days, next: days.length < SEAL_PAGE || lastDay === undefined ? FIRST_PLACE : lastDay };
}

interface UnsealedRow extends AccountName, Record<string, unknown> {
  readonly account_key: bigint;
  readonly day: string;
  readonly time_zone: string;
}

export async function loadUnsealed(tx: Transaction, wanted: readonly DayRef[]): Promise<(DayRef & Day)[]> {
  if (wanted.length === 0) return [];
  const rows = await tx.query<DayRow>(LOAD_UNSEALED, refsOf(wanted));
  return rows.map((row) => ({ key: row.account_key, ...dayFrom(row) }));
}

export async function sealDays(tx: Transaction, days: readonly DayRef[], now: EpochMs): Promise<void> {
  const change = await reserveChange(tx);
  tx.run(SEAL_DAYS, [...refsOf(days), new Date(now)]);
  noteChange(tx, [...new Set(days.map(({ key }) => key))], change);
}

function refsOf(days: readonly DayRef[]): Buffer[] {
  return [int8Array(days.map(({ key }) => key)), textArray(days.map(({ day }) => day))];
}

/** By `nameText`; of an event that names no account that can be read, all of its tenant. */
export interface Stopped {
  readonly names: ReadonlySet<string>;
  readonly tenants: ReadonlySet<string>;
  /** Events that are not there, or are no JSON. */
  readonly damaged: readonly LogGap[];
}

interface StoppingRow extends PlaceRow {
  readonly tenant: string | null;
  readonly data: string | null;
}

/** Throws if nobody can say whose one is that its log lacks. */
export async function findStopped(session: Session): Promise<Stopped> {
  const rows = await session.query<StoppingRow>(FIND_STOPPING, []);
  const names = new Set<string>();
  const tenants = new Set<string>();
  const damaged: LogGap[] = [];
  for (const { topic, partition, position, tenant, data } of rows) {
    const told = parsed(data);
    const gap = new LogGap(topic, partition, Number(position), data === null ? 'missing' : 'unreadable');
    if (tenant === null) throw gap;
    if (told === undefined) damaged.push(gap);
    const accounts = told === undefined ? [] : accountsNamedIn({ tenant, data: told });
    if (accounts.length === 0) tenants.add(tenant);
    for (const name of accounts) names.add(nameText(name));
  }
  return { names, tenants, damaged };
}

/** Undefined: it is none. */
function parsed(data: string | null): JsonObject | undefined {
  try {
    const told: unknown = JSON.parse(data ?? '');
    return typeof told === 'object' && told !== null ? (told as JsonObject) : undefined;
  } catch {
    return undefined; // who asks tells of it
  }
}
