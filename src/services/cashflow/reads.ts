/** What callers read of the cash flow. No locks; every query by tenant. */
import { conditionsOver, lookThrough, type Search } from '#platform/postgres/look-through.ts';
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

/** By primary key. */
export const FIND_IMPORT = `select ${IMPORT_COLUMNS} from cashflow.imports i where i.tenant = $1 and i.id = $2`;

/** By primary key, from after the line $3. */
export const LIST_ERRORS = `
  select e.line, e.code, e.detail, e.errors from cashflow.import_errors e
  where e.tenant = $1 and e.import_id = $2 and e.line > $3 order by e.line limit $4`;

/** So many entries are looked through for a page of those that match: some 20 ms. What is left is the next page's. */
const LOOKED_THROUGH_MAX = 10_000;

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

  /**
   * The newest day first, and within a day the last recorded (lines of files in no order). At most `limit`; fewer if few match,
   * and then there may be more all the same. By the index on days, or on accounts and their days; backwards.
   */
  async listCashEntries(
    tenant: string,
    filter: CashEntryFilter,
    { before, limit }: { readonly before: CashEntryPlace | undefined; readonly limit: number },
  ): Promise<CashEntryRows> {
    const search = searchFor(tenant, filter, before);
    const bounds = { limit, lookedThroughMax: this.#lookedThroughMax };
    const { found, last } = await lookThrough<ReadingRow>(this.#reader, search, bounds);
    const next = last === undefined ? undefined : { occurredOn: last.occurred_on, uuid: last.id };
    return { entries: found.map(readingOf), next };
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

function readingOf(row: ReadingRow): CashEntryReading {
  return { ...cashEntryOf(row), reversedBy: row.reversed_by };
}

function searchFor(
  tenant: string,
  { accountId, occurredFrom, occurredTo, direction, category, text }: CashEntryFilter,
  before: CashEntryPlace | undefined,
): Search {
  const values: unknown[] = [];
  const where = conditionsOver(values);
  const keys = [
    ...where('c.tenant = ?', tenant),
    ...where('c.account_id = ?', accountId),
    ...where('c.occurred_on >= ?::date', occurredFrom),
    ...where('c.occurred_on <= ?::date', occurredTo),
    ...where('(c.occurred_on, c.id) < (?::date, ?::uuid)', before?.occurredOn, before?.uuid),
  ];
  const matches = [
    ...where('c.direction = ?', direction),
    ...where('c.category = ?', category),
    ...where('strpos(lower(c.description), lower(?)) > 0', text),
  ];
  const walked = ['c.occurred_on', 'c.id'];
  return { columns: READING, from: 'cashflow.cash_entries c', alias: 'c', keys, matches, walked, values };
}
