import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { failuresByAddedColumn } from '../../../tests/added-column.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { fillTables, hotPlan, readPlan, statementsOf } from '../../../tests/query-plan.ts';
import * as callStore from './calls/call-store.ts';
import { HookReads } from './hooks/hook-reads.ts';
import * as hookStore from './hooks/hook-store.ts';
import * as letterStore from './letters/letter-store.ts';
import * as overdueStore from './overdue/overdue-store.ts';
import * as undoingStore from './overdue/undoing-store.ts';
import { HubReads } from './reads.ts';
import * as store from './store.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;

/** By which index each statement of the steps finds what it is after; the others insert. */
const LOOK_UPS = [
  [store.FIND_CURRENT_CONNECTORS, ['connectors_pkey']],
  [store.LOCK_INTEGRATIONS, ['integrations_pkey']],
  [store.UPDATE_INTEGRATIONS, ['integrations_pkey']],
  [hookStore.FIND_RECEIVED, ['received_hooks_dedup']],
  [hookStore.FIND_RECEIVED_BYTES, ['received_hooks_bytes']],
  [callStore.FIND_STANDINGS, ['calls_pkey']],
  [callStore.FIND_CALLED, ['calls_pkey']],
  [callStore.UPDATE_CALLS, ['calls_pkey']],
  [callStore.END_CALLS, ['calls_pkey']],
  [callStore.CLAIM_CALLS, ['calls_due']],
  [callStore.HASTEN_CALLS, ['calls_due']],
  [letterStore.DROP_UNDO, ['calls_pkey']],
  [overdueStore.FIND_BEGUN, ['integrations_pkey']],
  [callStore.FORGET_CALLS, ['calls_pkey']],
  [hookStore.FORGET_HOOKS, ['received_hooks_not_taken']],
  [undoingStore.FIND_UNDOINGS, ['undoings_since']],
  [undoingStore.FORGET_UNDOINGS, ['undoings_since']],
] as const;

/** What several indexes serve, by turns. */
const JOINS = [overdueStore.READ_STANDING, store.FIND_LAST_EVENTS];
/** Some hundred rows, read whole. */
const WHOLE = [overdueStore.READ_POSITIONS];

let database: TestDatabase;

beforeAll(async () => {
  database = await createPreparedDatabase();
});

afterAll(() => database.drop());

test('every statement that is no insert is pinned', () => {
  const statements = statementsOf(store, callStore, letterStore, hookStore, overdueStore, undoingStore);
  const others = statements.filter(({ text }) => !/^\s*insert/.test(text));
  const pinned = [...LOOK_UPS.map(([statement]) => statement), ...JOINS, ...WHOLE];
  expect(others.map(({ name }) => name).toSorted()).toEqual(pinned.map(({ name }) => name).toSorted());
});

test('no statement fails in a live session when a migration adds a column', async () => {
  const tables = ['connectors', 'integrations', 'calls', 'received_hooks', 'undoings', 'events'].map(
    (name) => `hub.${name}`,
  );
  const statements = statementsOf(store, callStore, letterStore, hookStore, overdueStore, undoingStore);
  expect(await failuresByAddedColumn(database.url, { tables, statements })).toEqual([]);
});

function pinPlans(): void {
  test.each(LOOK_UPS)('$0.name looks up, whatever it is given', async (statement, indexes) => {
    const plan = await hotPlan(database.url, statement);
    expect({ indexes: plan.indexes, faults: plan.faults }).toEqual({ indexes, faults: [] });
  });

  test.each(JOINS)('$name looks up, whatever it is given', async (statement) => {
    expect(await hotPlan(database.url, statement)).toMatchObject({ faults: [] });
  });
}

describe('on tables that statistics call empty', () => {
  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(() =>
    fillTables(
      database.url,
      `insert into hub.connectors select 'acme', 'c' || n, 1, 'api', '{}', null, now() from generate_series(1, ${ROWS}) n;
       insert into hub.integrations (tenant, id, connector, connector_version, entry, status, origin, correlation_id, created_at,
                                     updated_at)
       select 'acme', gen_random_uuid(), 'c', 1, 'api', 'delivered', gen_random_uuid(), 'cor', now(), now()
       from generate_series(1, ${ROWS}) n;
       insert into hub.calls (integration, step, tenant, connector, connector_version, destination, request, state, tries,
                              is_unknown, history, due_at, give_up_at, timeout_ms, cause, origin, correlation_id, created_at)
       select id, 'delivery', 'acme', 'c', 1, 'main', '{}', 'done', 1, false, '[]',
              case when random() < 0.01 then now() end, now(), 1000, 'c', id, 'cor', now() from hub.integrations;
       insert into hub.undoings select id, 'acme', now() - random() * interval '1 day' from hub.integrations;
       insert into hub.received_hooks
       select 'acme', id, 'c', '{}', id::text::bytea, 'valid', 'id ' || id, id, 'cor', now() from hub.integrations`,
    ),
  );

  pinPlans();

  const page = { before: '01a1d2b6-4ca8-78a9-4544-cf2fd7d28367', limit: 50 };
  const PAGES: readonly (readonly [string, (reader: Reader) => Promise<unknown>, string])[] = [
    ['integrations', (reader) => new HubReads(reader).list('acme', {}, page), 'integrations_pkey'],
    [
      'those of a status',
      (reader) => new HubReads(reader).list('acme', { status: 'failed' }, page),
      'integrations_pkey',
    ],
    [
      'those of a connector and a status',
      (reader) => new HubReads(reader).list('acme', { connector: 'c', status: 'failed' }, page),
      'integrations_connector',
    ],
    [
      'those of a correlation id and a connector',
      (reader) => new HubReads(reader).list('acme', { correlationId: 'another', connector: 'c' }, page),
      'integrations_correlation',
    ],
    ['webhooks', (reader) => new HookReads(reader).list('acme', {}, page), 'received_hooks_pkey'],
    [
      'those of a connector and a verdict',
      (reader) => new HookReads(reader).list('acme', { connector: 'c', verdict: 'invalid' }, page),
      'received_hooks_connector',
    ],
  ];

  test.each(PAGES)('a page of %s is read along an index, and never sorted', async (_what, read, index) => {
    const asked: { text: string; values: readonly unknown[] }[] = [];
    const recording: Reader = {
      query: (text, values) => {
        asked.push({ text, values });
        return Promise.resolve([]);
      },
    };
    await read(recording);
    const plans = await Promise.all(asked.map(({ text, values }) => readPlan(database.url, text, values)));
    expect(plans).toMatchObject([{ indexes: [index], faults: [], sorts: [] }]);
  });
});
