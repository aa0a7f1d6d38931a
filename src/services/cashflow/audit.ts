/** What a proof may ask of the cash flow's tables: whether they agree with what the logs tell. Keys are not sourced from any log. */
import {
  type Comparison,
  compareLookups,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

const CASH_ENTRIES: Comparison = {
  key: { tenant: 'text', id: 'uuid' },
  columns: {
    account_id: 'text',
    contra_account_id: 'text',
    direction: 'text',
    amount: 'bigint',
    currency: 'text',
    occurred_on: 'date',
    description: 'text',
    category: 'text',
    reverses: 'uuid',
    import_id: 'uuid',
    line: 'bigint',
    recorded_at: 'instant',
  },
  actual: `select c.account_id, c.contra_account_id, c.direction, c.amount, c.currency, c.occurred_on, c.description, c.category,
                  c.reverses, c.import_id, c.line::bigint, c.recorded_at
           from cashflow.cash_entries c where c.tenant = expected.tenant and c.id = expected.id`,
};

/** Cash entries that are missing or other than expected; by primary key. */
export function differingCashEntries(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, CASH_ENTRIES, expected);
}

export interface CashEntryRef {
  readonly tenant: string;
  readonly uuid: string;
  /** Of the entry that it gives back. */
  readonly reverses: string | null;
}

/** In the order of the primary key, after `after`. */
export function listCashEntryRefs(
  reader: Reader,
  after: CashEntryRef | undefined,
  limit: number,
): Promise<CashEntryRef[]> {
  return reader.query<CashEntryRef>(
    `select c.tenant, c.id as uuid, c.reverses from cashflow.cash_entries c
     where $1::text is null or (c.tenant, c.id) > ($1, $2::uuid)
     order by c.tenant, c.id limit $3`,
    [after?.tenant ?? null, after?.uuid ?? null, limit],
  );
}

/** Imports that are not finished and have no turn, or none before it is far too late: a row per file is passed. */
export function listStalledImports(
  reader: Reader,
  limit: number,
): Promise<{ readonly tenant: string; readonly uuid: string }[]> {
  return reader.query(
    `select i.tenant, i.id as uuid from cashflow.imports i
     where i.finished_at is null and not exists (
       select from cashflow.open_imports o
       where o.tenant = i.tenant and o.id = i.id and o.turn_at <= now() + interval '1 day')
     limit $1`,
    [limit],
  );
}

/** Which of them are there, as `tenant/uuid`; by primary key. */
export async function findKnownCashEntries(
  reader: Reader,
  refs: readonly { readonly tenant: string; readonly uuid: string }[],
): Promise<ReadonlySet<string>> {
  const rows = await reader.query<{ ref: string }>(
    `select c.tenant || '/' || c.id as ref
     from (select unnest($1::text[]) as tenant, unnest($2::uuid[]) as id) as wanted
     cross join lateral (
       select * from cashflow.cash_entries c where c.tenant = wanted.tenant and c.id = wanted.id offset 0
     ) c`,
    [refs.map(({ tenant }) => tenant), refs.map(({ uuid }) => uuid)],
  );
  return new Set(rows.map(({ ref }) => ref));
}
