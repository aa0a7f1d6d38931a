/** What callers read of the cash flow. No locks; every query by tenant. */
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { CashEntryReading, Direction } from './cash-entry.ts';
import type { Import, LineError } from './import.ts';
import { type ErrorRow, IMPORT_COLUMNS, type ImportRow, importOf, lineErrorOf } from './import-store.ts';
import { CASH_ENTRY_COLUMNS, type CashEntryRow, cashEntryOf } from './store.ts';

/** The one that gave it back: by the unique index on reversals. */
const READING = `${CASH_ENTRY_COLUMNS}, (
    select r.id from (select * from cashflow.cash_entries r where r.reverses = c.id offset 0) r
    where r.tenant = c.tenant
  ) as reversed_by`;

/** By primary key. */
export const FIND_CASH_ENTRY = `
  select ${READING} from cashflow.cash_entries c where c.tenant = $1 and c.id = $2`;

/**
 * The newest day first, and within a day the last recorded (lines of files in no order); before the place ($4, $5) if there is one. Of at most $9 that the
 * index gives, those that are asked for, and the last one whatever it is: so a page costs the same however few match, and the
 * place where it stopped is known. By the index on days, backwards.
 */
const LIST = (where: string) => `
  select ${READING}, c.matches, c.number = $9 as is_last
  from (
    select c.*, row_number() over () as number,
           ($6::text is null or c.direction = $6) and ($7::text is null or c.category = $7)
             and ($8::text is null or strpos(lower(c.description), lower($8)) > 0) as matches
    from (
      select * from cashflow.cash_entries c
      where ${where} and c.occurred_on >= $2::date and c.occurred_on <= $3::date
        and ($4::date is null or (c.occurred_on, c.id) < ($4::date, $5::uuid))
      order by c.occurred_on desc, c.id desc
      limit $9
    ) c
  ) c
  where c.matches or c.number = $9
  order by c.number
  limit $10`;

export const LIST_CASH_ENTRIES = LIST('c.tenant = $1');
/** By the index on accounts and their days, backwards. */
export const LIST_CASH_ENTRIES_OF_ACCOUNT = LIST('c.tenant = $1 and c.account_id = $11');

/** By primary key. */
export const FIND_IMPORT = `select ${IMPORT_COLUMNS} from cashflow.imports i where i.tenant = $1 and i.id = $2`;

/** By primary key, from after the line $3. */
export const LIST_ERRORS = `
  select e.line, e.code, e.detail, e.errors from cashflow.import_errors e
  where e.tenant = $1 and e.import_id = $2 and e.line > $3 order by e.line limit $4`;

/** So many entries are looked through for a page of those that match: some 20 ms. What is left is the next page's. */
const LOOKED_THROUGH_MAX = 10_000;
/** What a date column holds, of four digits. */
const FIRST_DAY = '0001-01-01';
const LAST_DAY = '9999-12-31';

export interface CashEntryFilter {
  readonly accountId?: string | undefined;
  readonly occurredFrom?: string | undefined;
  readonly occurredTo?: string | undefined;
  readonly direction?: Direction | undefined;
  readonly category?: string | undefined;
  readonly text?: string | undefined;
}

/** Of an entry in a list. */
export interface CashEntryPlace {
  readonly occurredOn: string;
  readonly uuid: string;
}

export interface CashEntryRows {
  readonly entries: readonly CashEntryReading[];
  /** Where the list goes on; undefined at its end. */
  readonly next: CashEntryPlace | undefined;
}

export class CashReads {
  readonly #reader: Reader;
  readonly #lookedThroughMax: number;

  constructor(reader: Reader, lookedThroughMax = LOOKED_THROUGH_MAX) {
    this.#reader = reader;
    this.#lookedThroughMax = lookedThroughMax;
  }

  async findCashEntry(tenant: string, uuid: string): Promise<CashEntryReading | undefined> {
    const [row] = await this.#reader.query<ReadingRow>(FIND_CASH_ENTRY, [tenant, uuid]);
    return row === undefined ? undefined : readingOf(row);
  }

  /** At most `limit`; fewer if few match, and then there may be more all the same. */
  async listCashEntries(
    tenant: string,
    filter: CashEntryFilter,
    { before, limit }: { readonly before: CashEntryPlace | undefined; readonly limit: number },
  ): Promise<CashEntryRows> {
    const { accountId, occurredFrom = FIRST_DAY, occurredTo = LAST_DAY, direction, category, text } = filter;
    const values = [
      tenant,
      occurredFrom,
      occurredTo,
      before?.occurredOn ?? null,
      before?.uuid ?? null,
      direction ?? null,
      category ?? null,
      text ?? null,
      this.#lookedThroughMax,
      limit + 1,
    ];
    const rows = await (accountId === undefined
      ? this.#reader.query<ListedRow>(LIST_CASH_ENTRIES, values)
      : this.#reader.query<ListedRow>(LIST_CASH_ENTRIES_OF_ACCOUNT, [...values, accountId]));
    return pageOf(rows, limit);
  }

  async findImport(tenant: string, uuid: string): Promise<Import | undefined> {
    const [row] = await this.#reader.query<ImportRow>(FIND_IMPORT, [tenant, uuid]);
    return row === undefined ? undefined : importOf(row);
  }

  /** Ascending by line. */
  async listErrors(
    tenant: string,
    uuid: string,
    { after, limit }: { readonly after: number; readonly limit: number },
  ): Promise<LineError[]> {
    return (await this.#reader.query<ErrorRow>(LIST_ERRORS, [tenant, uuid, after, limit])).map(lineErrorOf);
  }
}

interface ReadingRow extends CashEntryRow {
  reversed_by: string | null;
}

interface ListedRow extends ReadingRow {
  matches: boolean;
  is_last: boolean;
}

function readingOf(row: ReadingRow): CashEntryReading {
  return { ...cashEntryOf(row), reversedBy: row.reversed_by };
}

function pageOf(rows: readonly ListedRow[], limit: number): CashEntryRows {
  const found = rows.filter(({ matches }) => matches);
  const entries = found.slice(0, limit).map(readingOf);
  const last = found.length > limit ? found[limit - 1] : rows.findLast(({ is_last }) => is_last);
  return { entries, next: last === undefined ? undefined : { occurredOn: last.occurred_on, uuid: last.id } };
}
