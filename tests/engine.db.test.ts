import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, startEngine } from './engine.ts';

let database: TestDatabase;
let engine: Engine;

beforeAll(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url);
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: 1000n },
    { id: 'service', kind: 'service' },
    { id: 'closing', kind: 'service' },
  ]);
});

afterAll(async () => {
  await engine.close();
  await database.drop();
});

async function statusOf(uuid: string): Promise<unknown> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ status: string }>(
      'select status from payments.payments where id = $1',
      [uuid],
    );
    return rows[0]?.status;
  } finally {
    await client.end();
  }
}

test('a settled engine has brought every payment to its end, whatever the end', async () => {
  engine.pause('ledger');
  const failing = await engine.submit({ service_id: 'closing', amount: 1 });
  await engine.settled(['validation', 'authorization']);
  await engine.closeAccount('closing');
  engine.resume('ledger');
  const [completing, declining, rejecting] = await Promise.all([
    engine.submit({ amount: 600 }),
    engine.submit({ amount: 5000 }),
    engine.submit({ service_id: 'nobody' }),
  ]);
  await engine.settled();
  expect(await statusOf(failing.uuid)).toBe('failed');
  expect(await statusOf(completing.uuid)).toBe('completed');
  expect(await statusOf(declining.uuid)).toBe('declined');
  expect(await statusOf(rejecting.uuid)).toBe('rejected');
});
