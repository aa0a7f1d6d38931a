/** The statement that docs/proof.md gives auditors names the batches that do not follow, and no other. */
import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { appendEvents } from './append-events.ts';
import { createPreparedDatabase, type TestDatabase } from './database.ts';

const [, BROKEN_CHAINS = ''] =
  /```sql\n([^`]+)```/.exec(readFileSync(new URL('../docs/proof.md', import.meta.url), 'utf8')) ?? [];

const PARTITIONS = 4;

let database: TestDatabase;
let owner: Client;

beforeAll(async () => {
  database = await createPreparedDatabase(PARTITIONS);
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  for (const count of [1, 3, 2]) await append(count);
});

afterAll(async () => {
  await owner.end();
  await database.drop();
});

/** As one batch. */
async function append(count: number): Promise<void> {
  const draft = {
    type: 'payment.requested',
    version: 1,
    subject: 'pay_1',
    tenant: 'acme',
    key: 'wallet',
    data: {},
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
  };
  await appendEvents(
    { url: database.url, partitions: PARTITIONS },
    'payments',
    Array.from({ length: count }, () => draft),
  );
}

async function broken(): Promise<unknown[]> {
  const { rows } = await owner.query<{ first: unknown }>(BROKEN_CHAINS);
  return rows.map(({ first }) => Number(first));
}

test('a chain as it was written follows everywhere', async () => {
  const { rows } = await owner.query('select first from payments.batches');
  expect(rows).toHaveLength(3);
  expect(await broken()).toEqual([]);
});

test('a root that was changed, and a batch that was taken out, show', async () => {
  await owner.query('begin');
  await owner.query(`update payments.batches set root = sha256(root) where first = 2`);
  expect(await broken()).toEqual([2]);
  await owner.query('rollback');
  await owner.query('begin');
  await owner.query('delete from payments.batches where first = 2');
  expect(await broken()).toEqual([5]);
  await owner.query('rollback');
});
