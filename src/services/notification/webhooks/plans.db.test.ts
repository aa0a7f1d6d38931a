/** The statements of the queue look up, whatever the tables hold. */
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Statement } from '#platform/postgres/session.ts';
import { failuresByAddedColumn } from '../../../../tests/added-column.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { hotPlan, statementsOf } from '../../../../tests/query-plan.ts';
import * as claimStore from './claim-store.ts';
import * as endpointStore from './endpoint-store.ts';
import * as laneStore from './lane-store.ts';
import * as exhaustedStore from './letters/exhausted-store.ts';
import * as recordStore from './record-store.ts';
import * as replays from './replays.ts';
import * as retention from './retention.ts';

/** Enough that a scan is dearer than any look-up, and statistics say so. */
const ROWS = 20_000;

const ENDPOINT = ['endpoints_pkey'];
const LANE = ['lanes_pkey'];
const DELIVERY = ['deliveries_pkey'];

const HOT: readonly (readonly [Statement, readonly string[]])[] = [
  [endpointStore.FIND_ENDPOINTS_OF, ['endpoints_of_tenant']],
  [endpointStore.ENSURE_CALLBACKS, []],
  [endpointStore.FIND_CALLBACKS, ['endpoints_for_callbacks']],
  [endpointStore.COUNT_ENDPOINTS, ['endpoints_of_tenant']],
  [endpointStore.INSERT_ENDPOINT, []],
  [endpointStore.NOTE_NEW_SECRET, ['endpoints_of_tenant']],
  [laneStore.ADVANCE_LANES, []],
  [laneStore.FIND_MESSAGES, ['messages_pkey']],
  [laneStore.INSERT_MESSAGES, []],
  [laneStore.KEEP_MESSAGES, ['messages_pkey']],
  [laneStore.INSERT_DELIVERIES, []],
  [claimStore.FIND_DUE_ENDPOINTS, ['endpoints_pkey', 'lanes_due']],
  [claimStore.LOCK_DUE, ['endpoints_pkey', 'lanes_due']],
  [claimStore.LOAD_HEADS, ['deliveries_in_turn', 'messages_pkey']],
  [claimStore.TAKE_LANES, LANE],
  [claimStore.INSERT_ATTEMPTS, []],
  [recordStore.LOCK_LANES, LANE],
  [recordStore.END_TURNS, LANE],
  [recordStore.END_DELIVERIES, DELIVERY],
  [recordStore.END_ATTEMPTS, ['delivery_attempts_pkey']],
  [recordStore.LOCK_ENDPOINTS, ENDPOINT],
  [recordStore.NOTE_SUCCESS, ENDPOINT],
  [recordStore.NOTE_FAILURE, ENDPOINT],
  [recordStore.DISABLE, ENDPOINT],
  [replays.INSERT_REPLAY, ['deliveries_of_endpoint', 'lanes_pkey']],
  [replays.TAKE_REPLAY, ['endpoints_pkey', 'replays_running']],
  [replays.READ_MEMBERS, ['deliveries_of_endpoint', 'lanes_pkey']],
  [replays.MOVE_REPLAY, ['replays_pkey']],
  [exhaustedStore.FIND_EXHAUSTED, ['deliveries_pkey', 'delivery_attempts_pkey', 'endpoints_pkey']],
  [exhaustedStore.FIND_REPEATED, ['deliveries_pkey', 'endpoints_pkey', 'lanes_pkey']],
  [retention.READ_OLD_DELIVERIES, ['deliveries_in_turn', 'deliveries_pkey', 'endpoints_pkey', 'lanes_pkey']],
  [retention.LOCK_RESTING_LANES, ['endpoints_pkey', 'lanes_pkey']],
  [retention.READ_LAST_OF_LANES, ['deliveries_in_turn', 'endpoints_pkey']],
  [retention.FORGET_ATTEMPTS, ['delivery_attempts_pkey']],
  [retention.FORGET_DELIVERIES, DELIVERY],
  [retention.FORGET_LANES, LANE],
  [retention.REMEMBER_SEQUENCES, ENDPOINT],
  [retention.FORGET_MESSAGES, ['messages_by_age']],
];

let database: TestDatabase;
let owner: Client;

beforeAll(async () => {
  database = await createPreparedDatabase();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
});

afterAll(async () => {
  await owner.end();
  await database.drop();
});

function pinPlans(): void {
  test.each(HOT)('$name looks up, whatever it is given', async (statement, indexes) => {
    expect(await hotPlan(database.url, statement)).toMatchObject({ indexes, faults: [] });
  });
}

test('every statement of the queue is pinned here', () => {
  const statements = statementsOf(
    endpointStore,
    laneStore,
    claimStore,
    recordStore,
    replays,
    exhaustedStore,
    retention,
  );
  const pinned = new Set(HOT.map(([{ name }]) => name));
  expect(statements.filter(({ name }) => !pinned.has(name))).toEqual([]);
});

test('no statement fails in a live session when a migration adds a column', async () => {
  const tables = ['endpoints', 'messages', 'lanes', 'deliveries', 'delivery_attempts', 'replays'];
  // Of nothing but nulls these two make a row, which its table refuses.
  const refused = [endpointStore.INSERT_ENDPOINT, replays.INSERT_REPLAY];
  const statements = HOT.map(([statement]) => statement).filter((each) => !refused.includes(each));
  const added = tables.map((table) => `notification.${table}`);
  expect(await failuresByAddedColumn(database.url, { tables: added, statements })).toEqual([]);
});

describe('on tables that statistics call empty', () => {
  beforeAll(() => owner.query('vacuum analyze'));

  pinPlans();
});

describe('on tables with many rows', () => {
  beforeAll(fill);

  pinPlans();
});

async function fill(): Promise<void> {
  await owner.query(
    `insert into notification.endpoints (id, tenant, kind, url, events, signature, secret_version, status, created_at, updated_at)
     select gen_random_uuid(), 'tenant-' || n, case n % 2 when 0 then 'endpoint' else 'callback' end, 'https://a.example/' || n, '{*}', 'v1', 1,
       'enabled', now(), now()
     from generate_series(1, $1::integer) n`,
    [ROWS],
  );
  await owner.query(
    `insert into notification.messages (event, tenant, type, subject, body, correlation_id, traceparent, occurred_at) select 'test/' || n, 'acme', 'payment.completed', 'pay', '{}', 'cor', null, now() from generate_series(1, $1::integer) n`,
    [ROWS],
  );
  await owner.query(
    `insert into notification.lanes (endpoint_key, subject, last_turn, last_sequence, due_at)
     select n % 100 + 1, 'pay-' || n, 1, 1, now() from generate_series(1, $1::integer) n`,
    [ROWS],
  );
  await owner.query(
    `insert into notification.deliveries (id, endpoint_key, lane_key, turn, event, type, sequence, status, created_at)
     select gen_random_uuid(), n % 100 + 1, n, 1, 'test/' || n, 'payment.completed', 1, 'pending', now() from generate_series(1, $1::integer) n`,
    [ROWS],
  );
  await owner.query(
    'insert into notification.delivery_attempts (delivery, number, started_at) select id, 1, now() from notification.deliveries',
  );
  await owner.query(
    `insert into notification.replays (id, endpoint_key, from_at, to_at, after, up_to, total, correlation_id, created_at)
     select gen_random_uuid(), n, now(), now(), gen_random_uuid(), gen_random_uuid(), 1, 'cor', now() from generate_series(1, $1::integer) n`,
    [ROWS],
  );
  await owner.query('vacuum analyze');
}
