/** What the tables hold of days, for who proves them against the books; see the ledger's audit. */
import { textArray } from '#platform/postgres/arrays.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { GROUP, READ_TOPICS } from './consumer.ts';
import type { Day } from './day.ts';
import { type DayRow, dayFrom } from './day-row.ts';
import { nameText } from './posting.ts';

/** Of one account. */
export interface AuditedDays {
  readonly key: bigint;
  readonly kind: string | null;
  readonly currency: string | null;
  readonly timeZone: string | null;
  /** Of the last posting that is counted; 0: none is. */
  readonly sequence: bigint;
  readonly lastDay: string | null;
  /** Ascending. */
  readonly days: readonly Day[];
  /** Sequences of what waits: the first, and how many. */
  readonly waiting: { readonly first: bigint; readonly count: number } | null;
}

/** Accounts by the unique index on names; the others by primary key. */
const LIST_ACCOUNTS = `
  select a.tenant, a.id, a.key, a.kind, a.currency, a.time_zone, s.sequence, s.last_day, w.first, w.count
  from unnest($1::text[], $2::text[]) as wanted(tenant, id)
  cross join lateral (
    select * from consolidation.accounts a where a.tenant = wanted.tenant and a.id = wanted.id offset 0
  ) a
  left join consolidation.standings s on s.account_key = a.key
  left join lateral (
    select min(w.sequence) as first, count(*)::integer as count from consolidation.waiting w where w.account_key = a.key
  ) w on true`;

const LIST_DAYS = `
  select d.account_key, d.day, d.version, d.opening, d.credits, d.debits, d.count, d.closing, encode(d.hash, 'hex') as hash,
         d.cause, d.as_of, d.sealed_at
  from consolidation.days d where d.account_key = any ($1::bigint[]) order by d.account_key, d.day`;

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
  sequence: bigint | null;
  last_day: string | null;
  first: bigint | null;
  count: number;
}

function auditedDays(row: AccountRow, days: readonly Day[]): AuditedDays {
  const { key, kind, currency, time_zone: timeZone, sequence, last_day: lastDay, first, count } = row;
  const waiting = first === null ? null : { first, count };
  return { key, kind, currency, timeZone, sequence: sequence ?? 0n, lastDay, days, waiting };
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

/** Days of no account, with keys after the first and up to the second bound; null is none. Ranges of the primary keys. */
export function listStrayDays(
  reader: Reader,
  { after, upTo, limit }: { readonly after: bigint; readonly upTo: bigint | null; readonly limit: number },
): Promise<{ key: bigint; day: string }[]> {
  return reader.query(
    `select d.account_key as key, d.day from consolidation.days d
     where d.account_key > $1 and ($2::bigint is null or d.account_key <= $2)
       and not exists (select from consolidation.accounts a where a.key = d.account_key)
     order by d.account_key, d.day limit $3`,
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
