/** The statements about cash entries. Each says what it locks and which index it relies on (how: docs/adr/0003). */
import type { EpochMs } from '#kernel/clock.ts';
import { int4Array, int8Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import { type CashEntry, type CashEntryReading, cashEntryRef, type Direction } from './cash-entry.ts';

/** Of a row called `c`. */
export const CASH_ENTRY_COLUMNS = `c.tenant, c.id, c.account_id, c.contra_account_id, c.direction, c.amount, c.currency, c.occurred_on,
  c.description, c.category, c.reverses, c.import_id, c.line, c.recorded_at`;

/** No lock: it never changes. By primary key. */
export const FIND_CASH_ENTRIES = statement(
  'cashflow.find_cash_entries',
  `select ${CASH_ENTRY_COLUMNS}
   from ${batchRows('wanted', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select * from cashflow.cash_entries c where c.tenant = wanted.tenant and c.id = wanted.id offset 0
   ) c`,
);

/** Under the locks of their accounts, behind which no reversal is under way (R2). By the unique index on reversals. */
export const FIND_REVERSALS = statement(
  'cashflow.find_reversals',
  `select c.tenant, c.reverses, c.id
   from ${batchRows('wanted', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select * from cashflow.cash_entries c where c.reverses = wanted.id offset 0
   ) c
   where c.tenant = wanted.tenant`,
);

const INSERTED = {
  tenant: 'text',
  id: 'uuid',
  account_id: 'text',
  contra_account_id: 'text',
  direction: 'text',
  amount: 'bigint',
  currency: 'text',
  occurred_on: 'text',
  description: 'text',
  category: 'text',
  reverses: 'uuid',
  import_id: 'uuid',
  line: 'integer',
  recorded_at: 'timestamptz',
};

/** Under the locks of the accounts. */
export const INSERT_CASH_ENTRIES = statement(
  'cashflow.insert_cash_entries',
  `insert into cashflow.cash_entries (${Object.keys(INSERTED).join(', ')})
   select ${Object.keys(INSERTED)
     .map((column) => (column === 'occurred_on' ? 'occurred_on::date' : column))
     .join(', ')}
   from ${batchRows('v', INSERTED)}`,
);

export interface CashEntryKey {
  readonly tenant: string;
  readonly uuid: string;
}

export interface CashEntryRow {
  tenant: string;
  id: string;
  account_id: string;
  contra_account_id: string;
  direction: Direction;
  amount: bigint;
  currency: string;
  occurred_on: string;
  description: string;
  category: string | null;
  reverses: string | null;
  import_id: string | null;
  line: number | null;
  recorded_at: EpochMs;
}

export function cashEntryOf(row: CashEntryRow): CashEntry {
  const { import_id: importUuid, line } = row;
  return {
    tenant: row.tenant,
    uuid: row.id,
    accountId: row.account_id,
    contraAccountId: row.contra_account_id,
    direction: row.direction,
    amountMinor: row.amount,
    currency: row.currency,
    occurredOn: row.occurred_on,
    description: row.description,
    category: row.category,
    reverses: row.reverses,
    source: importUuid === null || line === null ? null : { importUuid, line },
    recordedAt: row.recorded_at,
  };
}

export async function findCashEntries(tx: Transaction, keys: readonly CashEntryKey[]): Promise<CashEntry[]> {
  if (keys.length === 0) return [];
  return (await tx.query<CashEntryRow>(FIND_CASH_ENTRIES, keyColumns(keys))).map(cashEntryOf);
}

/** Those entries with what has given them back, by `cashEntryRef`. */
export async function withReversals(
  tx: Transaction,
  entries: readonly CashEntry[],
): Promise<Map<string, CashEntryReading>> {
  if (entries.length === 0) return new Map();
  const rows = await tx.query<{ tenant: string; reverses: string; id: string }>(
    FIND_REVERSALS,
    keyColumns(entries),
  );
  const reversals = new Map(
    rows.map(({ tenant, reverses, id }) => [cashEntryRef({ tenant, uuid: reverses }), id]),
  );
  return new Map(
    entries.map((entry) => {
      const ref = cashEntryRef(entry);
      return [ref, { ...entry, reversedBy: reversals.get(ref) ?? null }];
    }),
  );
}

function keyColumns(keys: readonly CashEntryKey[]): Buffer[] {
  return [textArray(keys.map(({ tenant }) => tenant)), uuidArray(keys.map(({ uuid }) => uuid))];
}

export function insertCashEntries(tx: Transaction, entries: readonly CashEntry[]): void {
  if (entries.length === 0) return;
  tx.run(INSERT_CASH_ENTRIES, [
    textArray(entries.map(({ tenant }) => tenant)),
    uuidArray(entries.map(({ uuid }) => uuid)),
    textArray(entries.map(({ accountId }) => accountId)),
    textArray(entries.map(({ contraAccountId }) => contraAccountId)),
    textArray(entries.map(({ direction }) => direction)),
    int8Array(entries.map(({ amountMinor }) => amountMinor)),
    textArray(entries.map(({ currency }) => currency)),
    textArray(entries.map(({ occurredOn }) => occurredOn)),
    textArray(entries.map(({ description }) => description)),
    textArray(entries.map(({ category }) => category)),
    uuidArray(entries.map(({ reverses }) => reverses)),
    uuidArray(entries.map(({ source }) => source?.importUuid ?? null)),
    int4Array(entries.map(({ source }) => source?.line ?? null)),
    timestamptzArray(entries.map(({ recordedAt }) => recordedAt)),
  ]);
}
