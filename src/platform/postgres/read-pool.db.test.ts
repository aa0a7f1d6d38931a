import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { ReadPool } from './read-pool.ts';
import { readingTenant } from './read-turns.ts';

let database: TestDatabase;
let pool: ReadPool;

beforeAll(async () => {
  database = await createPreparedDatabase();
  pool = new ReadPool({ url: database.url, onError: () => undefined, connections: 4 });
});

afterAll(async () => {
  await pool.close();
  await database.drop();
});

test('slow reads of one tenant, however many, keep no other tenant’s waiting', async () => {
  let ended = 0;
  const slow = Array.from({ length: 6 }, () =>
    readingTenant.run('a', async () => {
      await pool.query('select pg_sleep(0.5)', []);
      ended += 1;
    }),
  );
  const rows = await readingTenant.run('b', () => pool.query('select 1 as one', []));
  expect({ rows, ended }).toEqual({ rows: [{ one: 1 }], ended: 0 });
  await Promise.all(slow);
  expect(ended).toBe(6);
});
