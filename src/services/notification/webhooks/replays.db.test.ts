/** Whose page of a replay is next. */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { Replays } from './replays.ts';

/** Five pages of the first endpoint, and less than one of each other. */
const DELIVERIES: readonly (readonly [endpoint: number, tenant: string, count: number])[] = [
  [1, 'acme', 900],
  [2, 'acme', 10],
  [3, 'globex', 10],
  [4, 'initech', 10],
];

let database: TestDatabase;
let owner: Client;

beforeAll(async () => {
  database = await createPreparedDatabase();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  for (const [endpoint, tenant, count] of DELIVERIES) await fill(endpoint, tenant, count);
});

afterAll(async () => {
  await owner.end();
  await database.drop();
});

/** An endpoint, what was delivered to it, and a replay of all that, younger than those of the endpoints before it. */
async function fill(endpoint: number, tenant: string, count: number): Promise<void> {
  await owner.query(
    `insert into notification.endpoints (endpoint_key, id, tenant, kind, url, events, signature, secret_version, status, created_at, updated_at)
     overriding system value
     values ($1::integer, gen_random_uuid(), $2, 'endpoint', 'https://a.example/', '{*}', 'v1', 1, 'enabled', now(), now())`,
    [endpoint, tenant],
  );
  await owner.query(
    `with lane as (
       insert into notification.lanes (endpoint_key, subject, last_turn, last_sequence, due_at)
       values ($1::integer, 'pay-' || $1::integer, $2::integer, $2::integer, now()) returning lane_key
     )
     insert into notification.deliveries (id, endpoint_key, lane_key, turn, event, type, sequence, status, created_at)
     select gen_random_uuid(), $1::integer, lane_key, n, 'test/' || n, 'payment.completed', n, 'delivered', now()
     from lane, generate_series(1, $2::integer) n`,
    [endpoint, count],
  );
  await owner.query(
    `insert into notification.replays (id, endpoint_key, from_at, to_at, after, up_to, total, correlation_id, created_at)
     values (gen_random_uuid(), $1::integer, now(), now(), '00000000-0000-0000-0000-000000000000',
       'ffffffff-ffff-ffff-ffff-ffffffffffff', 0, 'cor', now() + $1::integer * interval '1 second')`,
    [endpoint],
  );
}

test('tenants take turns: nobody waits for the whole of what another asked for before', async () => {
  const pages: bigint[] = [];
  const session = new Session({ url: database.url, name: 'webhooks.replays' });
  const reader = new ReadPool({ url: database.url, onError: rethrow });
  const replays = new Replays({
    reader,
    session,
    clock: systemClock,
    random: Math.random,
    onQueued: (keys) => pages.push(...keys),
    onError: rethrow,
  });
  replays.start();
  await vi.waitUntil(async () => {
    const { rows } = await owner.query('select from notification.replays where finished_at is null');
    return rows.length === 0;
  }, 20_000);
  await replays.stop();
  await Promise.all([session.close(), reader.close()]);
  expect(pages).toEqual([1n, 3n, 4n, 1n, 1n, 1n, 1n, 2n]);
});

function rethrow(error: unknown): void {
  throw error;
}
