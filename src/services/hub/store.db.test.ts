import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { Session } from '#platform/postgres/session.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import type { Integration } from './integration.ts';
import { insertIntegrations, lockIntegrations } from './store.ts';

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createPreparedDatabase();
  session = new Session({ url: database.url, name: 'integrations' });
});

afterAll(async () => {
  await session.close();
  await database.drop();
});

function requested(tenant: string, uuid: string): Integration {
  return {
    tenant,
    uuid,
    connector: 'erp',
    connectorVersion: 1,
    entry: 'api',
    status: 'requested',
    origin: uuid,
    replayOf: null,
    failure: null,
    reference: null,
    correlationId: 'cor',
    createdAt: 0,
    updatedAt: 0,
  };
}

test('an integration that another tenant names in the same batch is found for its own, in the order of their locks', async () => {
  const [first, second] = [firstUuidAt(1), firstUuidAt(2)];
  await session.transaction(async (tx) => {
    insertIntegrations(tx, [requested('acme', first), requested('acme', second)], 0);
  });
  const asked = [
    { tenant: 'acme', uuid: second },
    { tenant: 'acme', uuid: first },
    { tenant: 'acme', uuid: second },
    { tenant: 'globex', uuid: second },
    { tenant: 'globex', uuid: first },
  ];
  const locked = await session.transaction((tx) => lockIntegrations(tx, asked));
  expect(locked.map(({ tenant, uuid }) => [tenant, uuid])).toEqual([
    ['acme', first],
    ['acme', second],
  ]);
});
