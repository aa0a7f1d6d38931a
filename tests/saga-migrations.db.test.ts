/** What a program before gateway payments has written stays, and it may go on writing beside its successor. */
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '#platform/postgres/migrate.ts';
import type { MigrationSource } from '#platform/postgres/migration-files.ts';
import { MIGRATED_SCHEMAS } from '../src/topology.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { ask } from './redelivery.ts';

/** With an owner who has rows there. */
const SCHEMAS: readonly MigrationSource[] = MIGRATED_SCHEMAS.filter(({ schema }) =>
  ['log', 'ledger', 'authorization'].includes(schema),
);

let folder: string;
let database: TestDatabase;
let before: Record<string, unknown>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lastro-migrations-'));
  database = await createTestDatabase({ migrations: SCHEMAS.map(asFirstPublished) });
  await ask(
    database.url,
    `insert into "authorization".sagas
     select gen_random_uuid(), 'payment.balance/1', (array['authorized', 'declined', 'completed', 'failed'])[1 + n % 4],
            'w', 's', n, 'USD', 'balance', now() from generate_series(1, 2000) n`,
  );
  await ask(
    database.url,
    `insert into ledger.entries select gen_random_uuid(), 'acme', gen_random_uuid(),
            (array['manual', 'payment', 'reversal'])[1 + n % 3], now() from generate_series(1, 2000) n`,
  );
  before = await contents();
  await migrate(database.url, SCHEMAS);
});

afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Only the log has been migrated since. */
function asFirstPublished(source: MigrationSource): MigrationSource {
  if (source.schema === 'log') return source;
  const from = fileURLToPath(source.directory);
  const directory = join(folder, source.schema);
  for (const name of readdirSync(from).filter((file) => file.startsWith('0001')))
    cpSync(join(from, name), join(directory, name));
  return { schema: source.schema, directory };
}

async function contents(): Promise<Record<string, unknown>> {
  const [sagas, entries] = await Promise.all([
    ask(database.url, 'select * from "authorization".sagas order by 1'),
    ask(database.url, 'select * from ledger.entries order by 1'),
  ]);
  return { sagas, entries };
}

async function outcomeOf(sql: string): Promise<string> {
  try {
    await ask(database.url, `begin; ${sql}; rollback`);
    return 'taken';
  } catch (error) {
    return (error as { constraint?: string }).constraint ?? String(error);
  }
}

function saga(state: string, method: string): string {
  return `insert into "authorization".sagas
    values (gen_random_uuid(), 'payment.${method}/1', '${state}', 'w', 's', 1, 'USD', '${method}', now())`;
}

function entry(purpose: string): string {
  return `insert into ledger.entries (id, tenant, cause, purpose, posted_at)
    values (gen_random_uuid(), 'acme', gen_random_uuid(), '${purpose}', now())`;
}

function refund(state: string): string {
  return `insert into "authorization".refund_sagas
    values (gen_random_uuid(), gen_random_uuid(), 'refund.gateway/1', '${state}', 'w', 's', 1, 'USD', 'gateway', now())`;
}

test('every row is what it was, and the migration says so again when it is asked again', async () => {
  expect(await contents()).toEqual(before);
  await migrate(database.url, SCHEMAS);
  expect(await contents()).toEqual(before);
});

test.each([
  ...['authorized', 'declined', 'completed', 'failed'].map((state) => saga(state, 'balance')),
  ...['charged', 'cancelling', 'reconciling', 'resolving', 'revoking', 'compensating', 'parked'].map(
    (state) => saga(state, 'gateway'),
  ),
  ...['cancelled', 'compensated'].map((state) => saga(state, 'gateway')),
  ...['authorized', 'confirmed', 'reconciling', 'parked', 'completed', 'declined', 'failed'].map(refund),
  ...['manual', 'payment', 'refund', 'reversal'].map(entry),
])('taken: %s', async (sql) => {
  expect(await outcomeOf(sql)).toBe('taken');
});

test.each([
  [saga('lost', 'gateway'), 'sagas_state_check'],
  [saga('authorized', 'barter'), 'sagas_method_check'],
  [refund('charged'), 'refund_sagas_state_check'],
  [entry('gift'), 'entries_purpose_check'],
])('refused: %s', async (sql, constraint) => {
  expect(await outcomeOf(sql)).toBe(constraint);
});

test('a saga of before may go on, also to a state that there was not', async () => {
  const moved = `update "authorization".sagas set state = 'cancelling' where state = 'authorized'`;
  expect(await outcomeOf(moved)).toBe('taken');
});
