import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createProductDatabase, type TestDatabase } from '../../tests/database.ts';
import { addMonths, clear, fill } from './long-account.ts';

let database: TestDatabase;
let client: Client;

beforeEach(async () => {
  database = await createProductDatabase();
  client = new Client({ connectionString: database.url });
  await client.connect();
});
afterEach(async () => {
  await client.end();
  await database.drop();
});

describe('the postings of a long account', () => {
  it('are taken away again, and nobody else’s with them', async () => {
    await client.query(`
      insert into ledger.accounts (key, tenant, id, kind, currency, time_zone, opened_at)
      values (1, 'bench', 'bench-long', 'cashbook', 'USD', 'UTC', now()),
             (2, 'somebody', 'wallet', 'wallet', 'USD', 'UTC', now());
      insert into consolidation.accounts (tenant, id, kind, currency, time_zone)
      values ('bench', 'bench-long', 'cashbook', 'USD', 'UTC');
      select ledger.add_posting_month((date_trunc('month', now() at time zone 'UTC') - interval '1 month')::date);
      insert into ledger.postings (account_key, posted_at, sequence, entry_id, amount, posted_after)
      values (2, (date_trunc('month', now() at time zone 'UTC') - interval '1 day') at time zone 'UTC', 1, gen_random_uuid(), 5, 5)`);
    const before = await tables();

    const months = await addMonths(client);
    expect(months).toHaveLength(5 * 12 - 1);
    expect(await fill(client, 20_000)).toBeGreaterThan(5 * 364);
    await clear(client, months);

    expect(await tables()).toEqual(before);
    const { rows } = await client.query(
      `select account_key, (select count(*) from consolidation.days) as days from ledger.postings`,
    );
    expect(rows).toEqual([{ account_key: '2', days: '0' }]);
  });
});

async function tables(): Promise<string[]> {
  const { rows } = await client.query<{ relname: string }>(
    `select relname from pg_class where relname ~ '^postings_' and relkind = 'r' order by relname`,
  );
  return rows.map(({ relname }) => relname);
}
