/** Whose page of a replay is next. */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
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

interface Running {
  /** By endpoint, in the order in which they were queued. */
  readonly pages: readonly bigint[];
  readonly failures: readonly unknown[];
  stop(): Promise<void>;
}

function start(): Running {
  const pages: bigint[] = [];
  const failures: unknown[] = [];
  const onError = (error: unknown): void => void failures.push(error);
  const session = new Session({ url: database.url, name: 'webhooks.replays' });
  const reader = new ReadPool({ url: database.url, onError });
  const replays = new Replays({
    reader,
    session,
    clock: systemClock,
    random: Math.random,
    onQueued: (keys) => pages.push(...keys),
    onError,
  });
  replays.start();
  return {
    pages,
    failures,
    async stop() {
      await replays.stop();
      await Promise.all([session.close(), reader.close()]);
    },
  };
}

async function running(): Promise<number[]> {
  const { rows } = await owner.query<{ endpoint: number }>(
    'select endpoint_key::integer as endpoint from notification.replays where finished_at is null order by 1',
  );
  return rows.map(({ endpoint }) => endpoint);
}

const PATIENT = { timeout: 60_000 };

test('tenants take turns: nobody waits for the whole of what another asked for before', async () => {
  const { pages, failures, stop } = start();
  await expect.poll(running, PATIENT).toEqual([]);
  await stop();
  expect(pages).toEqual([1n, 3n, 4n, 1n, 1n, 1n, 1n, 2n]);
  expect(failures).toEqual([]);
});

test('a page that fails keeps nobody else’s from going on', async () => {
  await owner.query(
    `insert into notification.messages (event, tenant, type, subject, body, correlation_id, occurred_at, queued_at)
     select 'test/' || n, 'acme', 'payment.completed', 'pay', '{}', 'cor', now(), now() from generate_series(1, 10) n`,
  );
  await fill(5, 'acme', 10);
  await fill(6, 'globex', 10);
  const holder = new Client({ connectionString: database.url });
  holder.on('error', () => undefined);
  await holder.connect();
  await holder.query('begin');
  await holder.query('select from notification.lanes where endpoint_key = 5 for update');
  const { failures, stop } = start();
  await expect.poll(running, PATIENT).toEqual([5]);
  await holder.query('rollback');
  await holder.end();
  await expect.poll(running, PATIENT).toEqual([]);
  await stop();
  expect(failures.length).toBeGreaterThan(0);
});
