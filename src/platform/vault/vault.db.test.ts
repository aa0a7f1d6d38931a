/** The vault over its table, as a service with the role of the services uses it. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { ReadPool } from '../postgres/read-pool.ts';
import { Session } from '../postgres/session.ts';
import { generateSecretKey, requireSecretKeys } from './secret-key.ts';
import { Vault } from './vault.ts';

const VALUE = 'sk_live_5f3c9a';
const NOW = Date.UTC(2026, 0, 2);

let database: TestDatabase;
let pool: ReadPool;
let session: Session;
let vault: Vault;

beforeAll(async () => {
  database = await createPreparedDatabase();
  pool = new ReadPool({ url: database.url, onError: () => undefined });
  session = new Session({ url: database.url, name: 'vault' });
  vault = new Vault({
    db: pool,
    clock: { now: () => NOW },
    keys: requireSecretKeys(generateSecretKey()),
  });
});

afterAll(async () => {
  await session.close();
  await pool.close();
  await database.drop();
});

test('U13: a secret is found by its tenant and name alone, holds its last value, and is in the table sealed only', async () => {
  await vault.put({ tenant: 'acme', name: 'erp', value: 'first' });
  await vault.put({ tenant: 'acme', name: 'erp', value: VALUE });
  await session.transaction(async (tx) => {
    vault.save(tx, [{ tenant: 'acme', name: 'part:of-the-product', value: VALUE }], NOW);
  });
  expect(await vault.find({ tenant: 'acme', name: 'erp' })).toBe(VALUE);
  expect(await vault.find({ tenant: 'acme', name: 'part:of-the-product' })).toBe(VALUE);
  expect(await vault.find({ tenant: 'other', name: 'erp' })).toBeUndefined();
  expect(await vault.list('acme')).toEqual([{ name: 'erp', createdAt: NOW, updatedAt: NOW }]);
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  const { rows } = await owner.query<{ row: string; hex: string }>(
    `select s::text as row, encode(sealed, 'escape') as hex from vault.secrets s`,
  );
  await owner.end();
  expect(rows).toHaveLength(2);
  for (const { row, hex } of rows) expect(row + hex).not.toContain(VALUE);
  expect(await vault.delete({ tenant: 'acme', name: 'erp' })).toBe(true);
  expect(await vault.delete({ tenant: 'acme', name: 'erp' })).toBe(false);
  expect(await vault.find({ tenant: 'acme', name: 'erp' })).toBeUndefined();
});

test('a key that something was sealed with and that is not here is missing, with how much it has sealed', async () => {
  const [old, other] = [generateSecretKey(), generateSecretKey()];
  const of = (keys: string) =>
    new Vault({ db: pool, clock: { now: () => NOW }, keys: requireSecretKeys(keys) });
  const sealing = of(old);
  await sealing.put({ tenant: 'moved', name: 'a', value: VALUE });
  await sealing.put({ tenant: 'moved', name: 'b', value: VALUE });
  const keyId = requireSecretKeys(old).sealing.id;
  expect(await of(other).listMissingKeys()).toContainEqual({ keyId, secrets: 2 });
  expect(await of(`${other},${old}`).listMissingKeys()).not.toContainEqual({ keyId, secrets: 2 });
});
