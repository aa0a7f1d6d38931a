import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { subjectsStatement } from '#platform/log/own-effects.ts';
import type { Statement } from '#platform/postgres/session.ts';
import { failuresByAddedColumn } from '../../../tests/added-column.ts';
import { type LedgerFixture, openLedger, TENANT } from '../../../tests/ledger-fixture.ts';
import { hotPlan, readPlan, statementsOf } from '../../../tests/query-plan.ts';
import * as accounts from './account-store.ts';
import * as books from './books-store.ts';
import * as reads from './reads.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 50_000;

const BY_NAME = ['accounts_tenant_id_key'];
const BALANCE = ['balances_pkey'];

/** Each hot statement with the indexes it stands on, in both states of the tables. */
const HOT: readonly (readonly [Statement, readonly string[]])[] = [
  [accounts.FIND_ACCOUNTS, BY_NAME],
  [accounts.FIND_PROFILES, BY_NAME],
  [accounts.GLANCE_STATUS, BALANCE],
  [books.LOCK_BALANCES, BALANCE],
  [books.LOCK_FREE_BALANCES, BALANCE],
  [books.UPDATE_BALANCES, BALANCE],
  [books.LOAD_HOLDS, ['holds_pkey']],
  [books.CLOSE_HOLDS, ['holds_pkey']],
  [books.FIND_ENTRIES, ['entries_pkey']],
  [accounts.RESERVE_KEYS, []],
  [accounts.INSERT_ACCOUNTS, []],
  [accounts.INSERT_BALANCES, []],
  [books.INSERT_HOLDS, []],
  [books.INSERT_OWNED_HOLDS, []],
  [books.INSERT_AWAITED, []],
  [books.FIND_AWAITED, ['awaited_pkey', 'holds_pkey']],
  [books.INSERT_ENTRIES, []],
  [books.INSERT_POSTINGS, []],
  [
    subjectsStatement('ledger'),
    ['events_000000_subject_idx', 'events_000001_subject_idx', 'events_000002_subject_idx'],
  ],
];

/** Of a row found by its primary key: at most one is thrown away. */
const FILTERS: Readonly<Record<string, readonly string[]>> = {
  [books.FIND_AWAITED.name]: ["(state = 'open'::text)"],
  [books.CLOSE_HOLDS.name]: ["(state = 'open'::text)"],
};

let ledger: LedgerFixture;

beforeAll(async () => {
  ledger = await openLedger();
  await ledger.owner.query('analyze');
});

afterAll(() => ledger.close());

function pinPlans(): void {
  test.each(HOT)('$name looks up, whatever it is given', async (statement, indexes) => {
    const plan = await hotPlan(ledger.url, statement);
    expect(plan).toMatchObject({ indexes, faults: [], filters: FILTERS[statement.name] ?? [] });
  });
}

test('every statement of the stores is pinned here', () => {
  const statements = statementsOf(accounts, books);
  const pinned = new Set(HOT.map(([{ name }]) => name));
  expect(statements.filter(({ name }) => !pinned.has(name))).toEqual([]);
});

test('no statement fails in a live session when a migration adds a column', async () => {
  const tables = ['accounts', 'balances', 'holds', 'awaited', 'entries', 'postings', 'events'].map(
    (name) => `ledger.${name}`,
  );
  const statements = HOT.map(([statement]) => statement);
  expect(await failuresByAddedColumn(ledger.url, { tables, statements })).toEqual([]);
});

describe('on tables that statistics call empty', () => {
  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(fill);

  pinPlans();

  const at = new Date();
  const uuid = '00000000-0000-7000-8000-000000000001';
  const POSTINGS = /^postings_\d{6}_pkey$/;
  const READS: readonly (readonly [
    name: string,
    text: string,
    values: readonly unknown[],
    indexes: readonly RegExp[],
  ])[] = [
    ['an account', reads.FIND_ACCOUNT, [TENANT, 'w-1'], [/^accounts_tenant_id_key$/, /^balances_pkey$/]],
    [
      'an account at an instant',
      reads.FIND_ACCOUNT_AT,
      [TENANT, 'w-1', at],
      [/^accounts_tenant_id_key$/, /^balances_pkey$/, POSTINGS],
    ],
    [
      'a page of accounts',
      reads.LIST_ACCOUNTS,
      [TENANT, 'w-1', 51],
      [/^accounts_tenant_id_key$/, /^balances_pkey$/],
    ],
    ['a page of postings', reads.LIST_POSTINGS, [1n, new Date(0), at, 1_000_000n, 51], [POSTINGS]],
    ['the key of an account', reads.FIND_ACCOUNT_KEY, [TENANT, 'w-1'], [/^accounts_tenant_id_key$/]],
    ['an entry', reads.FIND_ENTRY, [TENANT, uuid], [/^entries_pkey$/]],
    ['an entry’s event', reads.FIND_ENTRY_EVENT, [TENANT, 'jen_1'], [/^events_\d{6}_subject_idx$/]],
  ];

  test.each(READS)('%s is read by look-ups', async (_name, text, values, indexes) => {
    const plan = await readPlan(ledger.url, text, values);
    expect(plan).toMatchObject({ faults: [], sorts: [] });
    const named = plan.indexes.map((index) => indexes.find((pattern) => pattern.test(index)) ?? index);
    expect(new Set(named)).toEqual(new Set(indexes));
  });

  test('months beyond an instant are not looked at', async () => {
    const { text } = await readPlan(ledger.url, reads.FIND_ACCOUNT_AT, [TENANT, 'w-1', at]);
    const tables = new Set(text.match(/postings_\d{6}(?=")/g));
    const later = await ledger.rows<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'ledger.postings'::regclass`,
    );
    expect(later.length).toBe(3);
    expect(tables.size).toBe(1);
  });
});

async function fill(): Promise<void> {
  const { owner } = ledger;
  await owner.query(
    `insert into ledger.accounts (key, tenant, id, kind, currency, floor, time_zone, opened_at)
    select n, $1, 'w-' || n, 'wallet', 'USD', 0, 'UTC', now() from generate_series(1, ${ROWS}) n`,
    [TENANT],
  );
  await owner.query(
    `insert into ledger.balances select n, 'open', 0, 0, 1, now() from generate_series(1, ${ROWS}) n`,
  );
  await owner.query(
    `insert into ledger.holds select gen_random_uuid(), n, 1, 'open', now() from generate_series(1, ${ROWS}) n`,
  );
  await owner.query('insert into ledger.awaited select account_key, id from ledger.holds');
  await owner.query(
    `insert into ledger.entries select gen_random_uuid(), $1, gen_random_uuid(), 'manual', now()
    from generate_series(1, ${ROWS}) n`,
    [TENANT],
  );
  await owner.query(
    `insert into ledger.postings select n, now(), 1, gen_random_uuid(), 1, 1 from generate_series(1, ${ROWS}) n`,
  );
  await owner.query(
    `insert into ledger.events select 0, n, 'entry.posted', 1, 'jen_' || n, $1, 'k', '{}', now(), 'c', 'r'
    from generate_series(1, ${ROWS}) n`,
    [TENANT],
  );
  await owner.query('analyze');
}
