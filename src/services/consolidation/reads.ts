/** What callers read of days. No locks; every account is found by its tenant. */
import { batchRows } from '#platform/postgres/batch-rows.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { AccountOpened } from '#services/ledger/contract.ts';
import type { CalendarDate } from './business-day.ts';
import type { Day } from './day.ts';
import { type DayRow, dayFrom } from './day-row.ts';
import type { AccountFacts, AccountName } from './posting.ts';

const FIGURES = `version, opening, credits, debits, count, closing, encode(hash, 'hex') as hash, cause, as_of, sealed_at`;

/** By the unique index on names, then by primary key. */
export const LOOK_AT_ACCOUNTS = `
  select a.tenant, a.id, a.key, a.kind, a.currency, a.time_zone, s.change
  from ${batchRows('wanted', { tenant: 'text', id: 'text' })}
  cross join lateral (
    select * from consolidation.accounts a
    where a.tenant = wanted.tenant and a.id = wanted.id and a.time_zone is not null offset 0
  ) a
  left join lateral (select s.change from consolidation.standings s where s.account_key = a.key offset 0) s on true`;

/** By the log's index on subjects: an account that was opened just now. */
export const FIND_OPENED = `
  select e.data from ledger.events e where e.subject = $2 and e.type = 'account.opened' and e.tenant = $1`;

/**
 * From $2 to $3, with the last day that has a row before them, ascending within each account. One range of the primary key
 * for each.
 */
export const LIST_DAYS = `
  select wanted.account_key, d.day, ${FIGURES}
  from ${batchRows('wanted', { account_key: 'bigint' })}
  cross join lateral (
    select * from consolidation.days d
    where d.account_key = wanted.account_key and d.day <= $3::date and d.day >= coalesce((
      select e.day from consolidation.days e
      where e.account_key = wanted.account_key and e.day < $2::date order by e.day desc limit 1
    ), $2::date)
    order by d.day offset 0
  ) d`;

/** The one that holds and those that it replaced, newest first, below $3. By primary keys; the replaced ones' in each month that is kept. */
export const LIST_VERSIONS = `
  (select day, ${FIGURES} from consolidation.days where account_key = $1 and day = $2::date and version < $3
   union all
   select day, ${FIGURES} from (
     select * from consolidation.day_versions v
     where v.account_key = $1 and v.day = $2::date and v.version < $3 order by v.version desc limit $4
   ) replaced)
  order by version desc limit $4`;

/** Ascending by id. By the index of accounts by kind. */
export const LIST_OF_KIND = `
  select a.id from consolidation.accounts a
  where a.tenant = $1 and a.kind = $2 and a.currency = $3 and a.kind is not null
  order by a.id limit $4`;

/** An account as the logs have told of it so far. */
export interface AccountLook extends AccountName, AccountFacts {
  /** Undefined: of one that was opened just now. */
  readonly key: bigint | undefined;
  /** A number of the last commit that changed what can be read of it; 0 before the first. */
  readonly change: bigint;
}

export interface DayRange {
  readonly from: CalendarDate;
  readonly to: CalendarDate;
}

export class DayReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Those of the accounts that have been told of. */
  async lookAt(names: readonly AccountName[]): Promise<AccountLook[]> {
    const rows = await this.#reader.query<LookRow>(LOOK_AT_ACCOUNTS, [
      names.map(({ tenant }) => tenant),
      names.map(({ id }) => id),
    ]);
    return rows.map(({ tenant, id, key, kind, currency, time_zone: timeZone, change }) => {
      return { tenant, id, key, kind, currency, timeZone, change: change ?? 0n };
    });
  }

  /** An account that the ledger's log tells of, whether that was read here or not: nothing is counted of it. */
  async findOpened({ tenant, id }: AccountName): Promise<AccountLook | undefined> {
    const [row] = await this.#reader.query<{ data: string }>(FIND_OPENED, [tenant, id]);
    if (row === undefined) return undefined;
    const { kind, currency, time_zone: timeZone } = JSON.parse(row.data) as AccountOpened;
    return { tenant, id, kind, currency, timeZone, key: undefined, change: 0n };
  }

  /** By account key, those of the range that have a row, and the one before. */
  async listDays(keys: readonly bigint[], { from, to }: DayRange): Promise<ReadonlyMap<bigint, Day[]>> {
    if (keys.length === 0) return new Map();
    const rows = await this.#reader.query<DayRow>(LIST_DAYS, [keys, from, to]);
    const byAccount = Map.groupBy(rows, (row) => row.account_key);
    return new Map([...byAccount].map(([key, own]) => [key, own.map(dayFrom)]));
  }

  /** Newest first, up to `limit`, those below a version. */
  async listVersions(
    key: bigint,
    { day, below, limit }: { readonly day: CalendarDate; readonly below: number; readonly limit: number },
  ): Promise<Day[]> {
    return (await this.#reader.query<DayRow>(LIST_VERSIONS, [key, day, below, limit])).map(dayFrom);
  }

  async listOfKind(
    tenant: string,
    { kind, currency, limit }: { readonly kind: string; readonly currency: string; readonly limit: number },
  ): Promise<string[]> {
    const rows = await this.#reader.query<{ id: string }>(LIST_OF_KIND, [tenant, kind, currency, limit]);
    return rows.map(({ id }) => id);
  }
}

interface LookRow extends AccountName {
  readonly key: bigint;
  readonly kind: string;
  readonly currency: string;
  readonly time_zone: string;
  readonly change: bigint | null;
}
