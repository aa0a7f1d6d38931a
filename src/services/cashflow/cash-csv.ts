/** Cash entries as CSV (RFC 4180): the members that JSON has, with the import's as columns of their own. */
import { idOf } from '#kernel/ids.ts';
import { type CashEntryReading, renderCashEntry } from './cash-entry.ts';

const COLUMNS = [
  'id',
  'account_id',
  'direction',
  'amount',
  'currency',
  'occurred_on',
  'description',
  'category',
  'contra_account_id',
  'entry_id',
  'reverses',
  'reversed_by',
  'import_id',
  'import_line',
  'recorded_at',
] as const;

/** Under a header row. */
export function renderCashCsv(entries: readonly CashEntryReading[]): string {
  return [COLUMNS, ...entries.map(rowOf)].map((row) => `${row.map(fieldOf).join(',')}\r\n`).join('');
}

function rowOf(entry: CashEntryReading): unknown[] {
  const { source } = entry;
  const members: Readonly<Record<string, unknown>> = {
    ...renderCashEntry(entry),
    import_id: source === null ? null : idOf('imp', source.importUuid),
    import_line: source?.line,
  };
  return COLUMNS.map((column) => members[column] ?? '');
}

/** Nothing is put before a text that a spreadsheet takes for a formula: what is exported is what was recorded. */
function fieldOf(value: unknown): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
