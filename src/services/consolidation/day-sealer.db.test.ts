/** What a process does beside counting: nobody who waits for a person keeps others from being counted and sealed. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ConsolidationProcess, rowsOf, startConsolidation } from '../../../tests/consolidation-desk.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { PARTITIONS } from '../../../tests/engine.ts';

let database: TestDatabase;
let process: ConsolidationProcess;

const DAY_MS = 86_400_000;

beforeAll(async () => {
  database = await createPreparedDatabase();
});

afterEach(() => process.stop());

afterAll(() => database.drop());

async function start(): Promise<void> {
  process = await startConsolidation(database.url, {
    partitions: Array.from({ length: PARTITIONS }, (_, partition) => partition),
    clock: { now: () => Date.now() + 2 * DAY_MS },
  });
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await process.sealer.turn();
}

test('C1: accounts that wait for a posting, however many, hide none whose posting is due', async () => {
  await rowsOf(
    database.url,
    `with held as (
       insert into consolidation.accounts (tenant, id, kind, currency, time_zone)
       select 'acme', 'held-' || n, 'cashbook', 'USD', 'UTC' from generate_series(1, 1001) n returning key
     ), due as (
       insert into consolidation.accounts (tenant, id, kind, currency, time_zone)
       select 'acme', 'due', 'cashbook', 'USD', 'UTC' from (select count(*) from held) behind returning key
     )
     insert into consolidation.waiting
     select key, 2, gen_random_uuid(), 1, 1, now(), null::date, 'ledger/0/1', 'cor' from held
     union all select key, 1, gen_random_uuid(), 1, 1, now(), null, 'ledger/0/2', 'cor' from due`,
  );
  await start();
  await turns(2);
  const days = 'select a.id from consolidation.days d join consolidation.accounts a on a.key = d.account_key';
  expect(await rowsOf(database.url, days)).toEqual([{ id: 'due' }]);
  await rowsOf(database.url, 'truncate consolidation.waiting, consolidation.days, consolidation.standings');
});
