/** What the tables hold of days, for who proves them against the books; see the ledger's audit. */
import type { EpochMs } from '#kernel/clock.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { GROUP, READ_TOPICS } from './consumer.ts';
import type { Day } from './day.ts';
import { type DayRow, dayFrom, dayRowIn } from './day-row.ts';
import { nameText } from './posting.ts';

/** Of one account. */
export interface AuditedDays {
  readonly key: bigint;
  readonly kind: string | null;
  readonly currency: string | null;
  readonly timeZone: string | null;
  /** Null of an account that was opened while this was not kept. */
  readonly openedAt: EpochMs | null;
  /** Of the last posting that is counted; 0: none is. */
  readonly sequence: bigint;
  readonly lastDay: string | null;
  /** Ascending. */
  readonly days: readonly Day[];
  /** Sequences of what waits. */
  readonly waiting: { readonly first: bigint; readonly last: bigint } | null;
}

/** Accounts by the unique index on names; the others by primary key. */
const LIST_ACCOUNTS = `
  select a.tenant, a.id, a.key, a.kind, a.currency, a.time_zone, a.opened_at, s.sequence, s.last_day, w.first, w.last
  from unnest($1::text[], $2::text[]) as wanted(tenant, id)
  cross join lateral (
    select * from consolidation.accounts a where a.tenant = wanted.tenant and a.id = wanted.id offset 0
  ) a
  left join consolidation.standings s on s.account_key = a.key
  left join lateral (
    select min(w.sequence) as first, max(w.sequence) as last from consolidation.waiting w where w.account_key = a.key
  ) w on true`;

const LIST_DAYS = `
  select ${dayRowIn('d')}
  from consolidation.days d where d.account_key = any ($1::bigint[]) order by d.account_key, d.day`;

/** A version of a day that a log told of. */
export interface VersionRef {
  readonly tenant: string;
  readonly id: string;
  readonly day: string;
  readonly version: number;
  /** Null: it may hold still. */
  readonly replacedAt: EpochMs | null;
}

export interface AuditedVersion {
  /** Null: it is not among those that were replaced. */
  readonly row: Day | null;
  /** It was replaced in a month that is here, and is not. */
  readonly isMissing: boolean;
}

/**
 * All by primary keys and the unique index on names; the versions in each month that is kept, but for one that holds still, as
 * most do.
 */
const LIST_REPLACED = `
  select v.day is not null as found, ${dayRowIn('v')},
         d.version > wanted.version and v.day is null and exists (
           select from pg_inherits i
           where i.inhparent = 'consolidation.day_versions'::regclass
             and i.inhrelid = to_regclass('consolidation.day_versions_' || wanted.month)
         ) as is_missing
  from unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[])
    with ordinality as wanted(tenant, id, day, version, month, place)
  left join lateral (
    select a.key from consolidation.accounts a where a.tenant = wanted.tenant and a.id = wanted.id offset 0
  ) a on true
  left join lateral (
    select d.version from consolidation.days d where d.account_key = a.key and d.day = wanted.day::date offset 0
  ) d on true
  left join lateral (
    select * from consolidation.day_versions v
    where v.account_key = a.key and v.day = wanted.day::date and v.version = wanted.version
      and d.version is distinct from wanted.version
    order by v.replaced_at desc limit 1
  ) v on true
  order by wanted.place`;

type ReplacedRow = { is_missing: boolean | null } & (
  | ({ found: true } & DayRow)
  | ({ found: false } & { [column in keyof DayRow]: null })
);

/** One for each that is wanted, in their order. */
export async function listReplacedVersions(
  reader: Reader,
  wanted: readonly VersionRef[],
): Promise<AuditedVersion[]> {
  if (wanted.length === 0) return [];
  const rows = await reader.query<ReplacedRow>(LIST_REPLACED, [
    textArray(wanted.map(({ tenant }) => tenant)),
    textArray(wanted.map(({ id }) => id)),
    textArray(wanted.map(({ day }) => day)),
    wanted.map(({ version }) => version),
    textArray(wanted.map(({ replacedAt }) => (replacedAt === null ? null : monthOf(replacedAt)))),
  ]);
  return rows.map((row) => ({ row: row.found ? dayFrom(row) : null, isMissing: row.is_missing === true }));
}

/** As the range tables are named. */
function monthOf(at: EpochMs): string {
  return new Date(at).toISOString().slice(0, 7).replace('-', '');
}

/** By `tenant/id`; an account that the logs have not told of is absent. */
export async function listAuditedDays(
  reader: Reader,
  names: readonly { readonly tenant: string; readonly id: string }[],
): Promise<ReadonlyMap<string, AuditedDays>> {
  const accounts = await reader.query<AccountRow>(LIST_ACCOUNTS, [
    textArray(names.map(({ tenant }) => tenant)),
    textArray(names.map(({ id }) => id)),
  ]);
  const rows = await reader.query<DayRow>(LIST_DAYS, [accounts.map(({ key }) => key)]);
  const days = Map.groupBy(rows, (row) => row.account_key);
  return new Map(
    accounts.map((row) => [nameText(row), auditedDays(row, (days.get(row.key) ?? []).map(dayFrom))]),
  );
}

interface AccountRow {
  tenant: string;
  id: string;
  key: bigint;
  kind: string | null;
  currency: string | null;
  time_zone: string | null;
  opened_at: EpochMs | null;
  sequence: bigint | null;
  last_day: string | null;
  first: bigint | null;
  last: bigint | null;
}

function auditedDays(row: AccountRow, days: readonly Day[]): AuditedDays {
  const { key, kind, currency, first, last } = row;
  return {
    key,
    kind,
    currency,
    timeZone: row.time_zone,
    openedAt: row.opened_at,
    sequence: row.sequence ?? 0n,
    lastDay: row.last_day,
    days,
    waiting: first === null || last === null ? null : { first, last },
  };
}

export interface DayAccount {
  readonly key: bigint;
  readonly tenant: string;
  readonly id: string;
}

/** Ascending by key, after `after`. By primary key. */
export function listDayAccounts(reader: Reader, after: bigint, limit: number): Promise<DayAccount[]> {
  return reader.query<DayAccount>(
    'select key, tenant, id from consolidation.accounts where key > $1 order by key limit $2',
    [after, limit],
  );
}

/** Days, and what waits to be in one, of no account, with keys after the first and up to the second bound; null is none. Ranges of the primary keys. */
export function listStrayDays(
  reader: Reader,
  { after, upTo, limit }: { readonly after: bigint; readonly upTo: bigint | null; readonly limit: number },
): Promise<{ key: bigint; day: string }[]> {
  return reader.query(
    `select key, day
     from (
       select account_key as key, day from consolidation.days
       union all
       select account_key, last_day from consolidation.standings
       union all
       select account_key, (posted_at at time zone 'UTC')::date from consolidation.waiting
     ) d
     where d.key > $1 and ($2::bigint is null or d.key <= $2)
       and not exists (select from consolidation.accounts a where a.key = d.key)
     order by d.key, d.day limit $3`,
    [after, upTo, limit],
  );
}

/**
 * Whether the group has passed all that its logs tell, and waits for nobody about a dead letter: then nothing is still to be
 * counted. Some hundred rows.
 */
export async function isAllCounted(reader: Reader): Promise<boolean> {
  const behind = await reader.query(
    `select from log.heads h
     left join log.positions p
       on p.consumer_group = $1 and p.topic = h.topic and p.partition = h.partition
     where h.topic = any ($2::text[]) and coalesce(p.position, 0) < h.position
     union all
     select from log.parked_keys k where k.consumer_group = $1
     limit 1`,
    [GROUP, [...READ_TOPICS]],
  );
  return behind.length === 0;
}
