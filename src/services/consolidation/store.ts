/**
 * The statements of a batch that counts postings. The accounts are locked first, in the order of tenant and id, and their
 * standings; what depends on them (days, what waits) is read behind the locks (R2) and written by nobody else meanwhile. Of
 * accounts that are remembered the standings alone are locked, in the same order, by the statement that moves them.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { byteaArray, int4Array, int8Array, textArray, timestamptzArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement } from '#platform/postgres/session.ts';
import type { BatchTransaction } from './batch-transaction.ts';
import type { Closings, Counted, DayRef, DaysFound, Shift, Standing } from './count-postings.ts';
import { dayText } from './count-postings.ts';
import type { Day } from './day.ts';
import { DAY_COLUMNS, type DayRow, dayColumnsIn, dayFrom } from './day-row.ts';
import type { AccountState } from './line-up.ts';
import { type AccountFacts, type AccountName, nameText } from './posting.ts';
import { WAITING_COLUMNS, type WaitingRow, waitingPosting } from './waiting-store.ts';

/**
 * Of what waits for one account, looked at in one batch. More of them that can be counted are met by the next look at what
 * waits (waiting-postings.ts).
 */
export const WAITING_PAGE = 2_000;

const NAMES = { tenant: 'text', id: 'text' } as const;

/**
 * Sorted, as everybody does it, and before any lock: who meets a name that another batch is inserting waits for it. By the
 * unique index.
 */
export const ENSURE_ACCOUNTS = statement(
  'consolidation.ensure_accounts',
  `insert into consolidation.accounts (tenant, id) select tenant, id from ${batchRows('v', NAMES)}
   on conflict (tenant, id) do nothing`,
);

/** In the order of the names, which is everybody's. By the unique index. */
export const LOCK_ACCOUNTS = statement(
  'consolidation.lock_accounts',
  `select a.key, a.tenant, a.id, a.kind, a.currency, a.time_zone, a.opened_at
   from ${batchRows('wanted', NAMES)}
   cross join lateral (
     select * from consolidation.accounts a
     where a.tenant = wanted.tenant and a.id = wanted.id for no key update
   ) a`,
);

const FOUND_ACCOUNT = `${batchRows('wanted', NAMES)}
   cross join lateral (
     select a.key from consolidation.accounts a where a.tenant = wanted.tenant and a.id = wanted.id offset 0
   ) a`;

/** Locks them too, for who moves a standing that it remembers locks nothing else. By the unique index, then by primary key. */
export const LOCK_STANDINGS = statement(
  'consolidation.lock_standings',
  `select s.account_key, s.sequence, s.last_day
   from ${FOUND_ACCOUNT}
   cross join lateral (
     select * from consolidation.standings s where s.account_key = a.key for no key update
   ) s`,
);

/** The number of a commit. */
export const RESERVE_CHANGE = statement(
  'consolidation.reserve_change',
  `select nextval('consolidation.changes') as change`,
);

/** Behind the locks; ascending within an account. Mostly there is nothing. By the unique index, then by primary key. */
export const LOAD_WAITING = statement(
  'consolidation.load_waiting',
  `select ${WAITING_COLUMNS}
   from ${FOUND_ACCOUNT}
   cross join lateral (
     select * from consolidation.waiting w where w.account_key = a.key order by w.sequence limit ${WAITING_PAGE}
   ) w`,
);

/** Behind the locks: a day's row, or where it begins. All by primary keys; the one of versions in each month that is kept. */
export const LOAD_DAYS = statement(
  'consolidation.load_days',
  `select wanted.account_key, wanted.day, d.version, d.opening, d.credits, d.debits, d.count, d.closing,
          encode(d.hash, 'hex') as hash, d.cause, d.as_of, d.sealed_at, earlier.closing as before, kept.version as kept
   from ${batchRows('wanted', { account_key: 'bigint', day: 'text' })}
   left join lateral (
     select * from consolidation.days d where d.account_key = wanted.account_key and d.day = wanted.day::date offset 0
   ) d on true
   left join lateral (
     select e.closing from consolidation.days e
     where e.account_key = wanted.account_key and e.day < wanted.day::date and d.day is null
     order by e.day desc limit 1
   ) earlier on true
   left join lateral (
     select max(v.version) as version from consolidation.day_versions v
     where v.account_key = wanted.account_key and v.day = wanted.day::date and d.day is null offset 0
   ) kept on true`,
);

/**
 * Of accounts with a late posting what the days behind it end with: those move, and must have room (D5). Behind the locks; a range of
 * the primary key, the one that moves.
 */
export const LOAD_CLOSINGS = statement(
  'consolidation.load_closings',
  `select wanted.account_key, behind.least, behind.greatest
   from ${batchRows('wanted', { account_key: 'bigint', day: 'text' })}
   cross join lateral (
     select min(d.closing) as least, max(d.closing) as greatest from consolidation.days d
     where d.account_key = wanted.account_key and d.day > wanted.day::date
   ) behind
   where behind.least is not null`,
);

const COUNTED_COLUMNS = {
  account_key: 'bigint',
  day: 'text',
  version: 'integer',
  opening: 'bigint',
  credits: 'bigint',
  debits: 'bigint',
  count: 'bigint',
  closing: 'bigint',
  hash: 'bytea',
  cause: 'text',
} as const;

export const INSERT_DAYS = statement(
  'consolidation.insert_days',
  `insert into consolidation.days (account_key, day, version, opening, credits, debits, count, closing, hash, cause, as_of)
   select account_key, day::date, version, opening, credits, debits, count, closing, hash, cause, $11::timestamptz
   from ${batchRows('v', COUNTED_COLUMNS)}`,
);

/**
 * Keeps the version that is replaced; raises LS001 unless every day is there. Under the locks of the accounts' standings, so
 * that the row found is the row updated; by primary key.
 */
export const CHANGE_DAYS = statement(
  'consolidation.change_days',
  `with found as materialized (
     select v.*, d.at
     from ${batchRows('v', COUNTED_COLUMNS)}
     cross join lateral (
       select t.ctid as at from consolidation.days t where t.account_key = v.account_key and t.day = v.day::date offset 0
     ) d
   ), kept as (
     insert into consolidation.day_versions (${DAY_COLUMNS}, replaced_at)
     select ${dayColumnsIn('d')}, $11::timestamptz from found join consolidation.days d on d.ctid = found.at
   ), changed as (
     update consolidation.days d
     set version = found.version, opening = found.opening, credits = found.credits, debits = found.debits,
         count = found.count, closing = found.closing, hash = found.hash, cause = found.cause, as_of = $11::timestamptz,
         sealed_at = null
     from found where d.ctid = found.at returning 1
   )
   select consolidation.require_all(count(*), cardinality($1::bigint[])) from changed`,
);

/** Of a late posting, all days behind it: one statement for all accounts of a batch. As above; a range of the primary key. */
export const SHIFT_DAYS = statement(
  'consolidation.shift_days',
  `with found as materialized (
     select d.at, v.by_minor, v.cause
     from ${batchRows('v', { account_key: 'bigint', after: 'text', before: 'text', by_minor: 'bigint', cause: 'text' })}
     cross join lateral (
       select t.ctid as at from consolidation.days t
       where t.account_key = v.account_key and t.day > v.after::date and t.day < coalesce(v.before::date, 'infinity')
       offset 0
     ) d
   ), kept as (
     insert into consolidation.day_versions (${DAY_COLUMNS}, replaced_at)
     select ${dayColumnsIn('d')}, $6::timestamptz from found join consolidation.days d on d.ctid = found.at
   )
   update consolidation.days d
   set version = d.version + 1, opening = d.opening + found.by_minor, closing = d.closing + found.by_minor,
       cause = found.cause, as_of = $6::timestamptz
   from found where d.ctid = found.at`,
);

/** Under the accounts' locks. By primary key; touches no indexed column (HOT). */
export const SAVE_STANDINGS = statement(
  'consolidation.save_standings',
  `insert into consolidation.standings as s (account_key, sequence, last_day, change)
   select account_key, sequence, last_day::date, $4::bigint
   from ${batchRows('v', { account_key: 'bigint', sequence: 'bigint', last_day: 'text' })}
   on conflict (account_key) do update
   set sequence = excluded.sequence, last_day = excluded.last_day, change = excluded.change`,
);

/**
 * Locks and moves standings that are remembered, in the order of the array; raises LS001 unless each still has the change
 * number that it is remembered by. By primary key; touches no indexed column (HOT).
 */
export const MOVE_STANDINGS = statement(
  'consolidation.move_standings',
  `with moved as (
     update consolidation.standings s set sequence = v.sequence, last_day = v.last_day::date, change = $5::bigint
     from ${batchRows('v', { account_key: 'bigint', sequence: 'bigint', last_day: 'text', change: 'bigint' })}
     cross join lateral (
       select t.ctid as at from consolidation.standings t
       where t.account_key = v.account_key and t.change = v.change for no key update
     ) found
     where s.ctid = found.at returning 1
   )
   select consolidation.require_all(count(*), cardinality($1::bigint[])) from moved`,
);

/** What is known of the accounts, or can be read of them, has changed. Under their locks. By primary key. */
export const NOTE_CHANGE = statement(
  'consolidation.note_change',
  `update consolidation.standings s set change = $2::bigint
   from ${batchRows('v', { account_key: 'bigint' })}
   cross join lateral (
     select t.ctid as at from consolidation.standings t where t.account_key = v.account_key offset 0
   ) found
   where s.ctid = found.at`,
);

/** Under the accounts' locks; never changed again. By primary key. */
export const SAVE_FACTS = statement(
  'consolidation.save_facts',
  `update consolidation.accounts a set kind = v.kind, currency = v.currency, time_zone = v.time_zone, opened_at = v.opened_at
   from ${batchRows('v', { account_key: 'bigint', kind: 'text', currency: 'text', time_zone: 'text', opened_at: 'timestamptz' })}
   cross join lateral (select t.ctid as at from consolidation.accounts t where t.key = v.account_key offset 0) found
   where a.ctid = found.at`,
);

interface AccountRow extends AccountName {
  key: bigint;
  kind: string | null;
  currency: string | null;
  time_zone: string | null;
  opened_at: EpochMs | null;
}

interface StandingRow {
  account_key: bigint;
  sequence: bigint;
  last_day: string;
}

type FoundRow = (DayRow | { [column in keyof DayRow]: DayRow[column] | null }) & {
  account_key: bigint;
  day: string;
  before: bigint | null;
  kept: number | null;
};

export async function reserveChange(tx: BatchTransaction): Promise<bigint> {
  const [row] = await tx.query<{ change: bigint }>(RESERVE_CHANGE, []);
  return (row as { change: bigint }).change;
}

/** `unknown`: those of the names that nobody is known to have inserted. Names ascending. */
export async function lockAccounts(
  tx: BatchTransaction,
  names: readonly AccountName[],
  unknown: readonly AccountName[],
): Promise<AccountState[]> {
  if (names.length === 0) return [];
  if (unknown.length > 0) tx.run(ENSURE_ACCOUNTS, namesOf(unknown));
  const wanted = namesOf(names);
  const [accounts, standings, waiting] = await Promise.all([
    tx.query<AccountRow>(LOCK_ACCOUNTS, wanted),
    tx.query<StandingRow>(LOCK_STANDINGS, wanted),
    tx.query<WaitingRow>(LOAD_WAITING, wanted),
  ]);
  const standingOf = new Map(standings.map((row) => [row.account_key, row]));
  const waitingOf = Map.groupBy(waiting, (row) => row.account_key);
  return accounts.map((row) => ({
    key: row.key,
    tenant: row.tenant,
    id: row.id,
    facts: factsOf(row),
    sequence: standingOf.get(row.key)?.sequence ?? 0n,
    lastDay: standingOf.get(row.key)?.last_day ?? null,
    waiting: (waitingOf.get(row.key) ?? []).map(waitingPosting),
  }));
}

export function inOrder(names: readonly AccountName[]): AccountName[] {
  return names.toSorted((a, b) => (nameText(a) < nameText(b) ? -1 : 1));
}

function namesOf(names: readonly AccountName[]): Buffer[] {
  return [textArray(names.map(({ tenant }) => tenant)), textArray(names.map(({ id }) => id))];
}

function factsOf({ kind, currency, time_zone, opened_at }: AccountRow): AccountFacts | undefined {
  if (kind === null || currency === null || time_zone === null) return undefined;
  return { kind, currency, timeZone: time_zone, openedAt: opened_at };
}

export async function loadDays(tx: BatchTransaction, wanted: readonly DayRef[]): Promise<DaysFound['days']> {
  if (wanted.length === 0) return new Map();
  const rows = await tx.query<FoundRow>(LOAD_DAYS, [
    int8Array(wanted.map(({ key }) => key)),
    textArray(wanted.map(({ day }) => day)),
  ]);
  return new Map(
    rows.map((row) => [
      dayText({ key: row.account_key, day: row.day }),
      isDay(row) ? dayFrom(row) : { openingMinor: row.before ?? 0n, keptVersion: row.kept ?? 0 },
    ]),
  );
}

interface ClosingsRow {
  account_key: bigint;
  least: bigint;
  greatest: bigint;
}

/** `late`: of each account the first day that is counted to. */
export async function loadClosings(
  tx: BatchTransaction,
  late: readonly DayRef[],
): Promise<ReadonlyMap<bigint, Closings>> {
  if (late.length === 0) return new Map();
  const rows = await tx.query<ClosingsRow>(LOAD_CLOSINGS, [
    int8Array(late.map(({ key }) => key)),
    textArray(late.map(({ day }) => day)),
  ]);
  return new Map(
    rows.map(({ account_key, least, greatest }) => [
      account_key,
      { leastMinor: least, greatestMinor: greatest },
    ]),
  );
}

function isDay(row: FoundRow): row is FoundRow & DayRow {
  return row.version !== null;
}

/** Standings first: they lock what is remembered. */
export function saveCounted(
  tx: BatchTransaction,
  counted: Omit<Counted, 'reopened' | 'full'>,
  { now, change }: { readonly now: EpochMs; readonly change: bigint },
): void {
  const { begun, changed, shifts, standings } = counted;
  saveStandings(tx, standings, change);
  if (begun.length > 0) tx.run(INSERT_DAYS, [...dayArrays(begun), new Date(now)]);
  if (changed.length > 0) tx.run(CHANGE_DAYS, [...dayArrays(changed), new Date(now)]);
  if (shifts.length > 0) tx.run(SHIFT_DAYS, [...shiftArrays(shifts), new Date(now)]);
}

function saveStandings(tx: BatchTransaction, standings: readonly Standing[], change: bigint): void {
  const locked = standings.filter((standing) => standing.change === undefined);
  if (locked.length > 0) tx.run(SAVE_STANDINGS, [...standingArrays(locked), change]);
  const remembered = standings.flatMap((standing) => standing.change ?? []);
  if (remembered.length === 0) return;
  const moved = standings.filter((standing) => standing.change !== undefined);
  tx.run(MOVE_STANDINGS, [...standingArrays(moved), int8Array(remembered), change]);
}

export function noteChange(tx: BatchTransaction, keys: readonly bigint[], change: bigint): void {
  if (keys.length > 0) tx.run(NOTE_CHANGE, [int8Array(keys), change]);
}

function dayArrays(days: readonly (DayRef & Day)[]): Buffer[] {
  return [
    int8Array(days.map(({ key }) => key)),
    textArray(days.map(({ day }) => day)),
    int4Array(days.map(({ version }) => version)),
    int8Array(days.map(({ openingMinor }) => openingMinor)),
    int8Array(days.map(({ creditsMinor }) => creditsMinor)),
    int8Array(days.map(({ debitsMinor }) => debitsMinor)),
    int8Array(days.map(({ count }) => count)),
    int8Array(days.map(({ closingMinor }) => closingMinor)),
    byteaArray(days.map(({ hash }) => Buffer.from(hash, 'hex'))),
    textArray(days.map(({ cause }) => cause)),
  ];
}

function shiftArrays(shifts: readonly Shift[]): Buffer[] {
  return [
    int8Array(shifts.map(({ key }) => key)),
    textArray(shifts.map(({ after }) => after)),
    textArray(shifts.map(({ before }) => before)),
    int8Array(shifts.map(({ byMinor }) => byMinor)),
    textArray(shifts.map(({ cause }) => cause)),
  ];
}

function standingArrays(standings: readonly Standing[]): Buffer[] {
  return [
    int8Array(standings.map(({ key }) => key)),
    int8Array(standings.map(({ sequence }) => sequence)),
    textArray(standings.map(({ lastDay }) => lastDay)),
  ];
}

export function saveFacts(
  tx: BatchTransaction,
  opened: readonly { readonly key: bigint; readonly facts: AccountFacts }[],
): void {
  if (opened.length === 0) return;
  tx.run(SAVE_FACTS, [
    int8Array(opened.map(({ key }) => key)),
    textArray(opened.map(({ facts }) => facts.kind)),
    textArray(opened.map(({ facts }) => facts.currency)),
    textArray(opened.map(({ facts }) => facts.timeZone)),
    timestamptzArray(opened.map(({ facts }) => facts.openedAt)),
  ]);
}
