/** Refunds that a program has begun whose holds did not say yet which wallet waits for them. */
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrate } from '#platform/postgres/migrate.ts';
import type { MigrationSource } from '#platform/postgres/migration-files.ts';
import { MIGRATED_SCHEMAS } from '../src/topology.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { ask } from './redelivery.ts';

const SCHEMAS: readonly MigrationSource[] = MIGRATED_SCHEMAS.filter(({ schema }) =>
  ['log', 'ledger', 'authorization'].includes(schema),
);
/** The last that such a program has applied. */
const LAST: Readonly<Record<string, string>> = { ledger: '0006', authorization: '0002' };

let folder: string;
let database: TestDatabase;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lastro-migrations-'));
  database = await createTestDatabase({ migrations: SCHEMAS.map(asBefore) });
});

afterEach(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

function asBefore(source: MigrationSource): MigrationSource {
  const last = LAST[source.schema];
  if (last === undefined) return source;
  const from = fileURLToPath(source.directory);
  const directory = join(folder, source.schema);
  for (const name of readdirSync(from).filter((file) => file.slice(0, last.length) <= last))
    cpSync(join(from, name), join(directory, name));
  return { schema: source.schema, directory };
}

/** The service holds what it gives back. */
async function begun(state: string, hold: 'open' | 'captured' | 'released'): Promise<unknown> {
  const [refund] = await ask(
    database.url,
    `with refund as (
       insert into "authorization".refund_sagas
       values (gen_random_uuid(), gen_random_uuid(), 'refund.gateway/1', $1, 'wallet', 'service', 1, 'USD', 'gateway', now())
       returning refund_id)
     insert into ledger.holds (id, account_key, amount, state, opened_at, closed_at)
     select refund_id, 12, 1, $2, now(), case when $2 = 'open' then null else now() end from refund returning id`,
    [state, hold],
  );
  return refund?.['id'];
}

test('the wallets of those under way are kept open after the upgrade, and nobody else’s', async () => {
  await ask(
    database.url,
    `insert into ledger.accounts (key, tenant, id, kind, currency, floor, time_zone, opened_at)
     select v.*, 'USD', 0, 'UTC', now() from (values
       (11, 'acme', 'wallet', 'wallet'), (12, 'acme', 'service', 'service'), (13, 'other', 'wallet', 'wallet')) v`,
  );
  const underWay = [];
  for (const state of ['authorized', 'confirmed', 'reconciling', 'parked'])
    underWay.push(await begun(state, 'open'));
  await begun('completed', 'captured');
  await begun('failed', 'released');
  await begun('authorized', 'captured');
  await migrate(database.url, SCHEMAS);
  const awaited = await ask(database.url, 'select payee_key::int, hold_id from ledger.awaited');
  expect(new Set(awaited.map(({ hold_id }) => hold_id))).toEqual(new Set(underWay));
  expect(awaited.map(({ payee_key }) => payee_key)).toEqual([11, 11, 11, 11]);
});
