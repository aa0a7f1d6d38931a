/** What callers read of days. No locks; every account is found by its tenant. */
import type { EpochMs } from '#kernel/clock.ts';
import { int4Array, int8Array, textArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type Session, statement } from '#platform/postgres/session.ts';
import type { AccountOpened } from '#services/ledger/contract.ts';
import { type CalendarDate, DAY_MS } from './business-day.ts';
import type { Day } from './day.ts';
import type { DayOfReport } from './day-report.ts';
import { type DayRow, dayFrom, dayRowIn } from './day-row.ts';
import { Gathering } from './gathering.ts';
import { type AccountFacts, type AccountName, nameText } from './posting.ts';

/** One row for each name that the logs have told of. By the unique index on names, then by primary key. */
export const LOOK_AT_ACCOUNTS = statement(
  'consolidation.look_at_accounts',
  `select a.tenant, a.id, a.key, a.kind, a.currency, a.time_zone, a.opened_at, s.change, s.last_day
   from ${batchRows('wanted', { tenant: 'text', id: 'text' })}
   cross join lateral (
     select * from consolidation.accounts a
     where a.tenant = wanted.tenant and a.id = wanted.id and a.time_zone is not null offset 0
   ) a
   left join lateral (
     select s.change, s.last_day from consolidation.standings s where s.account_key = a.key offset 0
   ) s on true`,
);

/** By the log's index on subjects: an account that was opened just now. */
export const FIND_OPENED = `
  select e.data, e.occurred_at from ledger.events e where e.subject = $2 and e.type = 'account.opened' and e.tenant = $1`;

const FROM_THE_ONE_BEFORE = (first: string): string => `coalesce((
       select e.day from consolidation.days e
       where e.account_key = wanted.account_key and e.day < ${first}::date order by e.day desc limit 1
     ), ${first}::date)`;

/**
 * Of each account the days from `first` to `last`, with the last day that has a row before them, ascending; and a mark that
 * is another one as soon as any of the days from `settled_from` to before `settled_to` is. All of one moment. By primary key, a
 * range each.
 */
export const LIST_DAYS = statement(
  'consolidation.list_days',
  `select wanted.nr, settled.mark, d.day, d.version, d.opening, d.credits, d.debits, d.count, d.closing,
          d.sealed_at is not null as sealed, d.as_of::text
   from ${batchRows('wanted', { nr: 'integer', account_key: 'bigint', first: 'text', last: 'text', settled_from: 'text', settled_to: 'text' })}
   cross join lateral (
     select bit_xor(hash_record_extended(row(d.day, d.version, d.as_of, d.sealed_at), 0))::text as mark
     from consolidation.days d
     where d.account_key = wanted.account_key and d.day < wanted.settled_to::date
       and d.day >= ${FROM_THE_ONE_BEFORE('wanted.settled_from')}
   ) settled
   cross join lateral (
     select * from consolidation.days d
     where d.account_key = wanted.account_key and d.day <= wanted.last::date and d.day >= ${FROM_THE_ONE_BEFORE('wanted.first')}
     order by d.day offset 0
   ) d`,
);

/** The one that holds and those that it replaced, newest first, below $3. By primary keys; the replaced ones' in each month that is kept. */
export const LIST_VERSIONS = `
  (select ${dayRowIn('d')} from consolidation.days d where d.account_key = $1 and d.day = $2::date and d.version < $3
   union all
   select ${dayRowIn('replaced')} from (
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
  /** The last day that has a row; null before the first. */
  readonly lastDay: CalendarDate | null;
}

export interface DayRange {
  readonly from: CalendarDate;
  readonly to: CalendarDate;
}

export interface AskedDays extends DayRange {
  readonly keys: readonly bigint[];
  /** Days of which a mark is wanted. */
  readonly settled: { readonly from: CalendarDate; readonly before: CalendarDate } | undefined;
}

export interface FoundDays {
  /** In the order of the keys: those of the range that have a row, and the one before, ascending. */
  readonly byAccount: readonly (readonly DayOfReport[])[];
  /** Of the days that are settled: another one as soon as any of them is. Undefined if there is no day at all. */
  readonly mark: string | undefined;
}

/** Names of one look. */
const NAMES_MAX = 500;
/** Of the reports of one query together: some 10 ms, which those that wait behind it wait longer. */
const DAYS_MAX = 4000;
/** A day that is settled is read for its mark alone: it is not sent, parsed and written. */
const SETTLED_SHARE = 1 / 4;

/** A session each for what all reports ask, as a look never waits for somebody's days. `reader`: for all else. */
export interface DaySources {
  readonly looks: Session;
  readonly days: Session;
  readonly reader: Reader;
}

export class DayReads {
  readonly #reader: Reader;
  readonly #looks: Gathering<AccountName, AccountLook | undefined>;
  readonly #days: Gathering<AskedDays, FoundDays>;

  constructor({ looks, days, reader }: DaySources) {
    this.#reader = reader;
    this.#looks = new Gathering({
      answer: (names) => lookAt(looks, names),
      weightOf: () => 1,
      weightMax: NAMES_MAX,
    });
    this.#days = new Gathering({
      answer: (asked) => listDays((values) => days.query(LIST_DAYS, values), asked),
      weightOf: (asked) => daysIn(asked) + settledIn(asked) * SETTLED_SHARE,
      weightMax: DAYS_MAX,
    });
  }

  /** Undefined if the logs have not told of it yet. */
  lookAt(name: AccountName): Promise<AccountLook | undefined> {
    return this.#looks.ask(name);
  }

  /** An account that the ledger's log tells of, whether that was read here or not: nothing is counted of it. */
  async findOpened({ tenant, id }: AccountName): Promise<AccountLook | undefined> {
    const [row] = await this.#reader.query<{ data: string; occurred_at: EpochMs }>(FIND_OPENED, [tenant, id]);
    if (row === undefined) return undefined;
    const { kind, currency, time_zone: timeZone } = JSON.parse(row.data) as AccountOpened;
    const facts = { kind, currency, timeZone, openedAt: row.occurred_at };
    return { tenant, id, ...facts, key: undefined, ...NOTHING_COUNTED };
  }

  /** All of one moment. */
  async listDays(asked: AskedDays): Promise<FoundDays> {
    if (daysIn(asked) <= DAYS_MAX) return this.#days.ask(asked);
    const [found] = await listDays((values) => this.#reader.query(LIST_DAYS.text, values), [asked]);
    return found as FoundDays;
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

const NOTHING_COUNTED = { change: 0n, lastDay: null } as const;

function daysIn({ keys, from, to }: AskedDays): number {
  return keys.length * (daysUpTo(from, to) + 1);
}

function settledIn({ settled }: AskedDays): number {
  return settled === undefined ? 0 : daysUpTo(settled.from, settled.before);
}

function daysUpTo(from: CalendarDate, day: CalendarDate): number {
  return (Date.parse(day) - Date.parse(from)) / DAY_MS;
}

async function lookAt(session: Session, names: readonly AccountName[]): Promise<(AccountLook | undefined)[]> {
  const distinct = [...new Map(names.map((name) => [nameText(name), name])).values()];
  const rows = await session.query<LookRow>(LOOK_AT_ACCOUNTS, [
    textArray(distinct.map(({ tenant }) => tenant)),
    textArray(distinct.map(({ id }) => id)),
  ]);
  const found = new Map(rows.map((row) => [nameText(row), lookFrom(row)]));
  return names.map((name) => found.get(nameText(name)));
}

interface LookRow extends AccountName {
  readonly key: bigint;
  readonly kind: string;
  readonly currency: string;
  readonly time_zone: string;
  readonly opened_at: EpochMs | null;
  readonly change: bigint | null;
  readonly last_day: string | null;
}

function lookFrom(row: LookRow): AccountLook {
  const { time_zone: timeZone, opened_at: openedAt, last_day: lastDay, change, ...same } = row;
  return { ...same, timeZone, openedAt, lastDay, change: change ?? 0n };
}

async function listDays(
  read: (values: readonly unknown[]) => Promise<ReportRow[]>,
  questions: readonly AskedDays[],
): Promise<FoundDays[]> {
  const found = questions.map(({ keys }) => ({
    byAccount: keys.map((): DayOfReport[] => []),
    mark: undefined as string | undefined,
  }));
  const wanted = questions.flatMap(({ keys, ...asked }, index) =>
    keys.map((key, nth) => ({ ...asked, key, of: found[index], days: found[index]?.byAccount[nth] })),
  );
  const rows = await read([
    int4Array(wanted.map((_, nr) => nr)),
    int8Array(wanted.map(({ key }) => key)),
    textArray(wanted.map(({ from }) => from)),
    textArray(wanted.map(({ to }) => to)),
    textArray(wanted.map(({ settled }) => settled?.from ?? null)),
    textArray(wanted.map(({ settled }) => settled?.before ?? null)),
  ]);
  for (const row of rows) {
    const { of, days } = wanted[row.nr] ?? {};
    days?.push(reportedFrom(row));
    if (of !== undefined) of.mark = row.mark ?? '';
  }
  return found;
}

interface ReportRow {
  /** Which of the accounts that were asked for. */
  readonly nr: number;
  /** Null: of no day. */
  readonly mark: string | null;
  readonly day: string;
  readonly version: number;
  readonly opening: bigint;
  readonly credits: bigint;
  readonly debits: bigint;
  readonly count: bigint;
  readonly closing: bigint;
  readonly sealed: boolean;
  readonly as_of: string;
}

function reportedFrom(row: ReportRow): DayOfReport {
  return {
    day: row.day,
    openingMinor: row.opening,
    creditsMinor: row.credits,
    debitsMinor: row.debits,
    count: row.count,
    closingMinor: row.closing,
    version: row.version,
    sealed: row.sealed,
    asOf: rfc3339Of(row.as_of),
  };
}

/** Of PostgreSQL's text of an instant in UTC. A text out of another: by `Date` a year of days takes ten times as long. */
function rfc3339Of(text: string): string {
  const milliseconds = text.slice(20, -3).slice(0, 3).padEnd(3, '0');
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${milliseconds}Z`;
}
