import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Statement } from '#platform/postgres/session.ts';
import { failuresByAddedColumn } from '../../../tests/added-column.ts';
import { type CashFixture, openCash, TENANT } from '../../../tests/cash-fixture.ts';
import { hotPlan, readPlan, statementsOf } from '../../../tests/query-plan.ts';
import { findKnownCashEntries, listCashEntryRefs } from './audit.ts';
import * as importStore from './import-store.ts';
import { CashReads } from './reads.ts';
import * as store from './store.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;

const ENTRY = ['cash_entries_pkey'];
const REVERSAL = ['cash_entries_reversal'];
const IMPORT = ['imports_pkey'];
const UPLOAD = ['uploads_pkey'];
const CHUNK = ['import_chunks_pkey'];
const OPEN = ['open_imports_pkey'];

/** Each statement of the workers with the indexes it stands on, whatever the tables hold. */
const HOT: readonly (readonly [Statement, readonly string[]])[] = [
  [store.FIND_CASH_ENTRIES, ENTRY],
  [store.FIND_REVERSALS, REVERSAL],
  [store.INSERT_CASH_ENTRIES, []],
  [importStore.LOCK_IMPORTS_OF_FILES, ['imports_file']],
  [importStore.INSERT_IMPORT, []],
  [importStore.UPDATE_IMPORT, IMPORT],
  [importStore.TAKE_UPLOAD, UPLOAD],
  [importStore.DISCARD_UPLOAD, [...CHUNK, ...UPLOAD]],
  [importStore.OPEN_IMPORT, []],
  [importStore.CLOSE_IMPORT, OPEN],
  [importStore.FORGET_ERRORS, ['import_errors_pkey']],
  [importStore.TAKE_TURN, ['open_imports_turn']],
  [importStore.LOCK_IMPORT, IMPORT],
  [importStore.NEXT_CHUNK, CHUNK],
  [importStore.END_TURN, OPEN],
  [importStore.DELETE_CHUNKS, CHUNK],
  [importStore.INSERT_ERRORS, []],
  [importStore.BEGIN_UPLOAD, []],
  [importStore.INSERT_CHUNKS, UPLOAD],
];

/** Over a table that has a row per upload under way: a scan is right. */
const BOUNDED = [importStore.FIND_STALE_UPLOADS];

let fixture: CashFixture;

beforeAll(async () => {
  fixture = await openCash();
});
afterAll(() => fixture.close());

function pinPlans(): void {
  test.each(HOT)('$name looks up, whatever it is given', async (statement, indexes) => {
    expect(await hotPlan(fixture.url, statement)).toMatchObject({ indexes, faults: [] });
  });
}

test('every statement of the service is pinned here', () => {
  const statements = statementsOf(store, importStore);
  const pinned = new Set([...HOT.map(([{ name }]) => name), ...BOUNDED.map(({ name }) => name)]);
  expect(statements.filter(({ name }) => !pinned.has(name))).toEqual([]);
});

test('no statement fails in a live session when a migration adds a column', async () => {
  const one = new Set<Statement>([
    importStore.INSERT_IMPORT,
    importStore.OPEN_IMPORT,
    importStore.BEGIN_UPLOAD,
    importStore.TAKE_UPLOAD,
  ]);
  const statements = HOT.map(([statement]) => statement).filter((each) => !one.has(each));
  const tables = ['cash_entries', 'imports', 'open_imports', 'uploads', 'import_chunks', 'import_errors'];
  const named = tables.map((table) => `cashflow.${table}`);
  expect(await failuresByAddedColumn(fixture.url, { tables: named, statements })).toEqual([]);
});

describe('on tables that statistics call empty', () => {
  beforeAll(() => fixture.owner.query('vacuum analyze'));

  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(fill);

  pinPlans();

  const uuid = '01a1d2b6-4ca8-78a9-8544-cf2fd7d28367';
  const page = { before: { occurredOn: '2026-01-15', uuid }, limit: 50 };
  const filter = { occurredFrom: '2026-01-01', occurredTo: '2026-02-01', text: 'x' };
  const READS: readonly (readonly [string, (reader: Reader) => Promise<unknown>, readonly string[]])[] = [
    ['an entry', (reader) => new CashReads(reader).findCashEntry(TENANT, uuid), [...ENTRY, ...REVERSAL]],
    [
      'a page of entries',
      (reader) => new CashReads(reader).listCashEntries(TENANT, filter, page),
      ['cash_entries_by_day', ...REVERSAL],
    ],
    [
      'a page of an account’s',
      (reader) => new CashReads(reader).listCashEntries(TENANT, { ...filter, accountId: 'book-1' }, page),
      ['cash_entries_by_account', ...REVERSAL],
    ],
    ['an import', (reader) => new CashReads(reader).findImport(TENANT, uuid), IMPORT],
    [
      'a page of errors',
      (reader) => new CashReads(reader).listErrors(TENANT, uuid, { after: 7, limit: 50 }),
      ['import_errors_pkey'],
    ],
    [
      'a page of an audit',
      (reader) => listCashEntryRefs(reader, { tenant: TENANT, uuid, reverses: null }, 100),
      ENTRY,
    ],
    ['a look-up of an audit', (reader) => findKnownCashEntries(reader, [{ tenant: TENANT, uuid }]), ENTRY],
  ];

  test.each(READS)('%s is read by look-ups', async (_what, read, indexes) => {
    const asked: { text: string; values: readonly unknown[] }[] = [];
    const recording: Reader = {
      async query<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
        asked.push({ text, values });
        return (await fixture.owner.query<Row & object>(text, [...values])).rows;
      },
    };
    await read(recording);
    const plans = await Promise.all(asked.map(({ text, values }) => readPlan(fixture.url, text, values)));
    expect(plans.flatMap(({ faults, sorts }) => [...faults, ...sorts])).toEqual([]);
    expect([...new Set(plans.flatMap((plan) => plan.indexes))].toSorted()).toEqual(indexes.toSorted());
  });
});

async function fill(): Promise<void> {
  await fixture.owner.query(
    `insert into cashflow.cash_entries
     select $1, gen_random_uuid(), 'book-' || n % 100, 'cash-BRL-x', 'credit', 1, 'BRL', date '2024-01-01' + n % 900, 'x', null,
            gen_random_uuid(), null, null, now()
     from generate_series(1, $2::integer) n`,
    [TENANT, ROWS],
  );
  await fixture.owner.query(
    `insert into cashflow.imports (tenant, id, file, digest, bytes, lines, account_id, columns, on_error, state, upload, position, read,
       recorded, already_recorded, failed, errors_listed, request_id, correlation_id, created_at)
     select $1, gen_random_uuid(), gen_random_uuid(), '', 1, 1, null, '{}', 'keep', 'recording', gen_random_uuid(), 0, 0, 0, 0, 0, 0,
            'r', 'c', now()
     from generate_series(1, $2::integer)`,
    [TENANT, ROWS],
  );
  await fixture.owner.query(
    `insert into cashflow.open_imports select tenant, id, now() from cashflow.imports;
     insert into cashflow.uploads select id, now() from cashflow.imports;
     insert into cashflow.import_chunks select id, 2, 'x' from cashflow.imports;
     insert into cashflow.import_errors select tenant, id, 2, 'c', 'd', null from cashflow.imports`,
  );
  await fixture.owner.query('vacuum analyze');
}
