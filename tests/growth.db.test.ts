/** The statements that docs/growth.md gives operators delete what they say, and nothing else. */
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { createPreparedDatabase, type TestDatabase } from './database.ts';

const YEAR_MS = 365 * 86_400_000;
const OLD = firstUuidAt(Date.now() - 3 * YEAR_MS);
const NEW = firstUuidAt(Date.now() - YEAR_MS);

const [CALLBACKS = '', HOOKS = '', INTEGRATIONS = ''] = [
  ...readFileSync(new URL('../docs/growth.md', import.meta.url), 'utf8').matchAll(/```sql\n([^`]+)```/g),
].map(([, sql]) => sql ?? '');

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

async function left(column: string, table: string): Promise<unknown[]> {
  const { rows } = await owner.query<{ left: unknown }>(`select ${column} as left from ${table} order by 1`);
  return rows.map((row) => row.left);
}

test('URLs that nothing is known of any more go, and no other endpoint', async () => {
  await owner.query(
    `insert into notification.endpoints (id, tenant, kind, url, events, signature, secret_version, status, created_at, updated_at)
     select gen_random_uuid(), 'acme', kind, url, '{}', 'v1', 1, 'enabled', now(), now()
     from (values ('callback', 'unused'), ('callback', 'used'), ('endpoint', 'own')) given(kind, url)`,
  );
  await owner.query(
    `insert into notification.lanes (endpoint_key, subject, last_turn, last_sequence)
     select endpoint_key, 'ctx_1', 1, 1 from notification.endpoints where url = 'used'`,
  );
  await owner.query(CALLBACKS);
  expect(await left('url', 'notification.endpoints')).toEqual(['own', 'used']);
});

test('webhooks of the connector that were taken long ago go', async () => {
  await owner.query(
    `insert into hub.received_hooks (tenant, id, connector, headers, body, verdict, dedup, integration, correlation_id, received_at)
     select 'acme', id, connector, '{}', ''::bytea, 'valid', name, id, name, now()
     from (values ($1::uuid, 'orders', 'old'), ($2::uuid, 'orders', 'new')) given(id, connector, name)
     union all select 'globex', $1::uuid, 'orders', '{}', ''::bytea, 'valid', 'other', $1::uuid, 'other', now()`,
    [OLD, NEW],
  );
  await owner.query(HOOKS);
  expect(await left('dedup', 'hub.received_hooks')).toEqual(['new', 'other']);
});

test('integrations that ended well long ago go', async () => {
  await owner.query(
    `insert into hub.integrations (tenant, id, connector, connector_version, entry, status, origin, correlation_id, created_at,
                                   updated_at)
     select tenant, id, 'c', 1, 'api', status, id, tenant || ' ' || status, now(), now()
     from (values ('acme', $1::uuid, 'delivered'), ('acme', $2::uuid, 'refused'), ('globex', $1::uuid, 'delivered'))
       given(tenant, id, status)`,
    [OLD, NEW],
  );
  await owner.query(INTEGRATIONS);
  expect(await left('correlation_id', 'hub.integrations')).toEqual(['acme refused', 'globex delivered']);
});
