import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../tests/database.ts';
import { measurePlainSql } from './plain-sql.ts';
import { BATCH, CONNECTIONS } from './prepared-batches.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

describe('the plain-SQL yardstick', () => {
  // It counts its rows itself; a migration that changes a table it writes to breaks it here.
  it('writes every row of its payments into the tables of the product', async () => {
    const payments = 2 * CONNECTIONS * BATCH;
    const job = {
      url: database.url,
      root: ROOT,
      payments,
      wallets: 200,
      services: 20,
      seed: 1,
      postmaster: undefined,
    };
    const result = await measurePlainSql(job);
    expect(result.payments).toBe(payments);
    expect(result.perSecond).toBeGreaterThan(0);
  });
});
