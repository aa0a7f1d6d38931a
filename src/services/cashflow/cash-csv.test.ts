import { parse } from 'csv-parse/sync';
import { expect, test } from 'vitest';
import { renderCashCsv } from './cash-csv.ts';
import { type CashEntryReading, renderCashEntry } from './cash-entry.ts';

const ENTRY: CashEntryReading = {
  tenant: 'acme',
  uuid: '01890a5d-ac96-774b-bcce-b302099a8057',
  accountId: 'book',
  contraAccountId: 'cash-BRL-rent-0123456789abcdef',
  direction: 'credit',
  amountMinor: 1250n,
  currency: 'BRL',
  occurredOn: '2026-02-03',
  description: 'A "new", better\r\noven — pão',
  category: null,
  reverses: null,
  source: { importUuid: '01890a5d-ac96-774b-bcce-b302099a8058', line: 7 },
  recordedAt: Date.UTC(2026, 1, 3),
  reversedBy: '01890a5d-ac96-774b-bcce-b302099a8059',
};

test('F7: entries as CSV are what they are as JSON, whatever is written in them', () => {
  const [first, second] = parse(renderCashCsv([ENTRY, { ...ENTRY, source: null, category: ' ' }]), {
    columns: true,
    record_delimiter: '\r\n',
  }) as Record<string, string>[];
  const { import: line, ...members } = renderCashEntry(ENTRY);
  const texts = Object.entries(members).map(([name, value]) => [name, value === null ? '' : String(value)]);
  expect(first).toEqual({
    ...(Object.fromEntries(texts) as Record<string, string>),
    import_id: (line as { id: string }).id,
    import_line: '7',
  });
  expect(second).toMatchObject({ import_id: '', import_line: '', category: ' ' });
});

test('F7: no entry is a header row', () => {
  expect(renderCashCsv([])).toMatch(/^id,account_id,[a-z_,]+\r\n$/);
});
