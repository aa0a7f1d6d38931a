/** The statements that docs/growth.md gives operators delete what they say, and nothing else. */
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import { verify } from '#proof/verify.ts';
import { appendEvents } from './append-events.ts';
import { createPreparedDatabase, type TestDatabase } from './database.ts';

const YEAR_MS = 365 * 86_400_000;
const OLD = firstUuidAt(Date.now() - 3 * YEAR_MS);
const OLD_TOO = firstUuidAt(Date.now() - 2.5 * YEAR_MS);
const NEW = firstUuidAt(Date.now() - YEAR_MS);
const NEW_TOO = firstUuidAt(Date.now() - YEAR_MS / 2);
const PARTITIONS = 4;

const [CALLBACKS = '', HOOKS = '', INTEGRATIONS = ''] = [
  ...readFileSync(new URL('../docs/growth.md', import.meta.url), 'utf8').matchAll(/```sql\n([^`]+)```/g),
].map(([, sql]) => sql ?? '');

let database: TestDatabase;
let owner: Client;

beforeAll(async () => {
  database = await createPreparedDatabase(PARTITIONS);
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

describe('integrations', () => {
  const endings = [
    { tenant: 'acme', uuid: OLD, end: 'delivered' },
    { tenant: 'acme', uuid: OLD_TOO, end: 'failed' },
    { tenant: 'acme', uuid: NEW, end: 'refused' },
    { tenant: 'globex', uuid: NEW_TOO, end: 'delivered' },
  ] as const;

  beforeAll(async () => {
    for (const { tenant, uuid, end } of endings) await tellOfEnding(tenant, uuid, end);
  });

  test('that ended well long ago go', async () => {
    await owner.query(INTEGRATIONS);
    expect(await left('id::text', 'hub.integrations')).toEqual([OLD_TOO, NEW, NEW_TOO].toSorted());
    await owner.query(INTEGRATIONS);
    expect(await left('id::text', 'hub.integrations')).toEqual([OLD_TOO, NEW, NEW_TOO].toSorted());
  });

  test('that were forgotten are not missed, and all others are', async () => {
    expect(await missing()).toEqual([]);
    await owner.query('delete from hub.integrations');
    expect(await missing()).toEqual([OLD_TOO, NEW, NEW_TOO].map((uuid) => idOf('int', uuid)).toSorted());
  });
});

/** From its request to its end: two events, and the row as they leave it. */
async function tellOfEnding(
  tenant: string,
  uuid: string,
  end: 'delivered' | 'refused' | 'failed',
): Promise<void> {
  const id = idOf('int', uuid);
  const through = { connector: 'erp', connector_version: 1 };
  const why = { step: 'rules', code: 'hub.refused', detail: 'No lines.' };
  const told = [
    ['requested', { ...through, message: '{}', entry: 'api', replay_of: null, origin: id }],
    [end, { ...through, ...(end === 'delivered' ? {} : why), undo: null }],
  ] as const;
  const at = Date.now();
  await appendEvents(
    { url: database.url, partitions: PARTITIONS, at },
    'hub',
    told.map(([what, data]) => ({
      type: `integration.${what}`,
      version: 1,
      subject: id,
      tenant,
      key: id,
      data,
      correlationId: 'cor',
      causation: 'req',
      traceparent: null,
    })),
  );
  const failure = end === 'delivered' ? null : why;
  await owner.query(
    `insert into hub.integrations (tenant, id, connector, connector_version, entry, status, origin, failure_step, failure_code,
                                   failure_detail, correlation_id, created_at, updated_at)
     values ($1, $2, 'erp', 1, 'api', $3, $2, $4, $5, $6, 'cor', $7, $7)`,
    [tenant, uuid, end, failure?.step, failure?.code, failure?.detail, new Date(at)],
  );
}

/** What verify says of integrations. */
async function missing(): Promise<string[]> {
  const { checks } = await verify({ url: database.url });
  const { findings = [] } = checks.find(({ name }) => name === 'integrations') ?? {};
  return findings
    .map(({ kind, subject }) => `${kind === 'missing_integration' ? '' : kind}${subject}`)
    .toSorted();
}
