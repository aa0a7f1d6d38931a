/** An audit that somebody asked for is carried out, whoever dies over it. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProductDatabase, type TestDatabase } from '../../../tests/database.ts';
import { type Engine, startEngine } from '../../../tests/engine.ts';
import { IntegrityDesk } from '../../../tests/integrity-desk.ts';

let database: TestDatabase;
let engine: Engine;
let desk: IntegrityDesk;

beforeAll(async () => {
  database = await createProductDatabase();
  engine = await startEngine(database.url);
  desk = await IntegrityDesk.open(database.url);
});

afterAll(async () => {
  await desk.close();
  await engine.close();
  await database.drop();
});

test('the background gives way to one that waits, and to one that its process has left behind', async () => {
  const { audits } = desk;
  expect(await audits.isWaiting()).toBe(false);
  const asked = await audits.enqueue({ tenant: 'acme', scope: 'everything', requestedBy: 'ana' });
  expect(await audits.isWaiting()).toBe(true);
  expect(await audits.take()).toMatchObject({ id: asked?.id, state: 'running' });
  expect(await audits.isWaiting()).toBe(false);
  await silence('1 minute');
  expect(await audits.isWaiting()).toBe(true);
  const taken = await audits.take();
  expect(taken).toMatchObject({ id: asked?.id, state: 'running' });
  expect(await audits.isWaiting()).toBe(false);
  if (taken !== undefined) await audits.end(taken, null);
  await silence('1 minute');
  expect(await audits.isWaiting()).toBe(false);
});

/** Nothing was heard for so long of whoever runs it. */
async function silence(interval: string): Promise<void> {
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  await owner.query('update integrity.audits set progress_at = progress_at - $1::interval', [interval]);
  await owner.end();
}
