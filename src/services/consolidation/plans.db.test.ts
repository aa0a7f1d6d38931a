import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failuresByAddedColumn } from '../../../tests/added-column.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { fillTables, hotPlan, readPlan } from '../../../tests/query-plan.ts';
import { FIND_OPENED, LIST_DAYS, LIST_OF_KIND, LIST_VERSIONS, LOOK_AT_ACCOUNTS } from './reads.ts';
import { ownTables } from './rebuild.ts';
import * as sealing from './seal-store.ts';
import * as store from './store.ts';
import { FIND_DUE } from './waiting-postings.ts';
import * as waiting from './waiting-store.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;

const NAMES = 'accounts_tenant_id_key';
/** By account and day; each month's. */
const VERSIONS = 'versions';
/** Those of a range of positions each. */
const EVENTS = 'events_pkey';

/** By which index each statement finds what it is after; `[]` for a plain insert. */
const HOT = [
  [store.ENSURE_ACCOUNTS, []],
  [store.LOCK_ACCOUNTS, [NAMES]],
  [store.LOCK_STANDINGS, [NAMES, 'standings_pkey']],
  [store.LOAD_WAITING, [NAMES, 'waiting_pkey']],
  [store.LOAD_DAYS, ['days_pkey', VERSIONS]],
  [store.LOAD_CLOSINGS, ['days_pkey']],
  [store.INSERT_DAYS, []],
  [store.CHANGE_DAYS, ['days_pkey']],
  [store.SHIFT_DAYS, ['days_pkey']],
  [store.SAVE_STANDINGS, []],
  [store.MOVE_STANDINGS, ['standings_pkey']],
  [waiting.INSERT_WAITING, []],
  [waiting.DELETE_WAITING, ['waiting_pkey']],
  [store.SAVE_FACTS, ['accounts_pkey']],
  [sealing.LIST_UNSEALED, ['accounts_pkey', 'days_unsealed']],
  [sealing.LOAD_UNSEALED, ['days_unsealed']],
  [sealing.SEAL_DAYS, ['days_pkey']],
  [store.NOTE_CHANGE, ['standings_pkey']],
  [sealing.FIND_STOPPING, ['abandoned_events_pkey', 'dead_letters_pkey', EVENTS, 'parked_keys_pkey']],
  [FIND_DUE, ['accounts_pkey', 'standings_pkey', 'waiting_pkey']],
  [LOOK_AT_ACCOUNTS, [NAMES, 'standings_pkey']],
  [LIST_DAYS, ['days_pkey']],
] as const;

let database: TestDatabase;

beforeAll(async () => {
  database = await createPreparedDatabase();
});

afterAll(() => database.drop());

function named(indexes: readonly string[]): string[] {
  const names = indexes.map((index) =>
    /^day_versions_\d{6}_pkey$/.test(index) ? VERSIONS : index.replace(/^events_\d{6}_pkey$/, EVENTS),
  );
  return [...new Set(names)].toSorted();
}

function pinPlans(): void {
  test.each(HOT)('$0.name looks up, whatever it is given', async (statement, indexes) => {
    const plan = await hotPlan(database.url, statement);
    expect({ indexes: named(plan.indexes), faults: plan.faults }).toEqual({
      indexes: [...indexes].toSorted(),
      faults: [],
    });
  });
}

test('a rebuild finds days and versions of its own by indexes, however many it has made', async () => {
  const { name, text } = store.LOAD_DAYS;
  const plan = await hotPlan(database.url, {
    ...store.LOAD_DAYS,
    name: `${name}_rebuilt`,
    text: ownTables(text),
  });
  expect(plan).toMatchObject({
    indexes: ['rebuilt_day_versions_by_day', 'rebuilt_days_pkey'],
    faults: [],
  });
});

test('no statement fails in a live session when a migration adds a column', async () => {
  const tables = ['accounts', 'standings', 'days', 'day_versions', 'waiting'].map(
    (name) => `consolidation.${name}`,
  );
  const statements = HOT.map(([statement]) => statement);
  expect(await failuresByAddedColumn(database.url, { tables, statements })).toEqual([]);
});

describe('on tables that statistics call empty', () => {
  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(() =>
    fillTables(
      database.url,
      `insert into consolidation.accounts (tenant, id, kind, currency, time_zone)
       select 'acme', 'a' || n, 'wallet', 'USD', 'UTC' from generate_series(1, 2000) n;
       insert into consolidation.standings select key, 10, '2026-01-10', key from consolidation.accounts;
       insert into consolidation.days
       select key, date '2026-01-01' + n, 1, 0, 1, 0, 1, 1, sha256(''), 'ledger/0/1', now(), now()
       from consolidation.accounts, generate_series(0, 9) n;
       insert into consolidation.day_versions
       select account_key, day, version, opening, credits, debits, count, closing, hash, cause, as_of, sealed_at, now()
       from consolidation.days;
       insert into log.dead_letters (id, consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                     error_code, error, attempts, state, failed_first_at, failed_last_at)
       select gen_random_uuid(), 'consolidation', 0, n, 'ledger', n, 'acme', n, 'entry.posted', 1, 'x', 'x', 1, 'open', now(), now()
       from generate_series(1, ${ROWS}) n;
       insert into consolidation.waiting
       select 1, n, gen_random_uuid(), 1, 1, now(), null, 'ledger/0/1', 'cor' from generate_series(1, ${ROWS}) n`,
    ),
  );

  pinPlans();

  /** Long ranges are read by the pool, which plans by the values. */
  test('five years of a hundred accounts are a range of the days each', async () => {
    const keys = Array.from({ length: 100 }, (_, index) => BigInt(index + 1));
    const each = <Value>(value: Value): Value[] => keys.map(() => value);
    const values = [keys.map(Number), keys, each('2021-01-11'), each('2026-01-10'), each(null), each(null)];
    const plan = await readPlan(database.url, LIST_DAYS.text, values);
    expect({ indexes: plan.indexes, faults: plan.faults }).toEqual({ indexes: ['days_pkey'], faults: [] });
  });

  test('no day is read that is not asked for', async () => {
    const { text } = await hotPlan(database.url, LIST_DAYS);
    const conditions = [...text.matchAll(/"Index Cond": "([^"]*)"/g)].map(([, condition]) => condition);
    expect(conditions).toHaveLength(4);
    for (const condition of conditions) expect(condition).toMatch(/account_key = .*day [<>]/);
    expect(text).not.toContain('"Filter"');
  });

  test('versions are found by their day, accounts of a kind by it', async () => {
    const versions = await readPlan(database.url, LIST_VERSIONS, [7n, '2026-01-03', 100, 51]);
    expect({ indexes: named(versions.indexes), faults: versions.faults }).toEqual({
      indexes: ['days_pkey', VERSIONS],
      faults: [],
    });
    const ofKind = await readPlan(database.url, LIST_OF_KIND, ['acme', 'card', 'USD', 101]);
    expect({ indexes: ofKind.indexes, faults: ofKind.faults }).toEqual({
      indexes: ['accounts_of_kind'],
      faults: [],
    });
  });

  test('an account that was opened just now is found in the log by its subject', async () => {
    const plan = await readPlan(database.url, FIND_OPENED, ['acme', 'a1']);
    expect(plan.faults).toEqual([]);
  });
});
