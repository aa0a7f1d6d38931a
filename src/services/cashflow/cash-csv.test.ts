import { parse } from 'csv-parse/sync';
import { expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
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
  expect(first).toEqual({
    id: idOf('cen', ENTRY.uuid),
    account_id: 'book',
    direction: 'credit',
    amount: '1250',
    currency: 'BRL',
    occurred_on: '2026-02-03',
    description: ENTRY.description,
    category: '',
    contra_account_id: ENTRY.contraAccountId,
    entry_id: idOf('jen', ENTRY.uuid),
    reverses: '',
    reversed_by: idOf('cen', ENTRY.reversedBy ?? ''),
    import_id: idOf('imp', ENTRY.source?.importUuid ?? ''),
    import_line: '7',
    recorded_at: '2026-02-03T00:00:00.000Z',
  });
  expect(second).toMatchObject({ import_id: '', import_line: '', category: ' ' });
});

test('F7: no entry is a header row, which names what JSON has', () => {
  const members = Object.keys(renderCashEntry(ENTRY));
  const columns = members.flatMap((name) => (name === 'import' ? ['import_id', 'import_line'] : name));
  expect(renderCashCsv([])).toBe(`${columns.join(',')}\r\n`);
});
