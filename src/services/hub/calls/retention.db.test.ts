/** What is forgotten of calls. */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { Session } from '#platform/postgres/session.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { forgetCalls } from './retention.ts';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 5, 1);
const KEPT_DAYS = 90;

let database: TestDatabase;
let owner: Client;
let session: Session;

beforeAll(async () => {
  database = await createPreparedDatabase();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  session = new Session({ url: database.url, name: 'retention' });
});

afterAll(async () => {
  await session.close();
  await owner.end();
  await database.drop();
});

async function given(step: string, state: string, bornDaysAgo: number): Promise<void> {
  const integration = firstUuidAt(NOW - bornDaysAgo * DAY_MS);
  await owner.query(
    `insert into hub.calls (integration, step, tenant, connector, connector_version, destination, request, state, tries,
       is_unknown, history, give_up_at, timeout_ms, cause, origin, correlation_id, created_at)
     values ($1, $2, 'acme', 'erp', 1, 'main', '{}', $3, 1, false, '[]', now(), 1000, 'c', $1, 'cor', now())`,
    [integration, step, state],
  );
}

test('calls that have ended are forgotten once they are older than what is kept, others never', async () => {
  await given('enrichment', 'done', KEPT_DAYS + 1);
  await given('delivery', 'waiting', KEPT_DAYS + 1);
  await given('delivery', 'done', KEPT_DAYS - 1);
  await forgetCalls({ session, clock: { now: () => NOW }, retentionMs: KEPT_DAYS * DAY_MS });
  const { rows } = await owner.query<{ state: string }>('select state from hub.calls order by integration');
  expect(rows.map(({ state }) => state)).toEqual(['waiting', 'done']);
});
