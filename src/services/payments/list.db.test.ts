import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';
import { type PaymentFilter, PaymentReads, type PaymentRows } from './reads.ts';

const TENANT = 'acme';
const START = Date.parse('2026-01-01T00:00:00Z');
const MINUTE = 60_000;

let database: TestDatabase;
let owner: Client;
let pool: ReadPool;

/** One a minute, numbered from 0 on: every fifth is declined, every fourth has a reference, and its id was made four minutes before it, as in a process that was paused. */
beforeAll(async () => {
  database = await createPreparedDatabase();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  pool = new ReadPool({ url: database.url, onError: () => {}, connections: 1 });
  for (const n of Array.from({ length: 20 }, (_, each) => each)) await insert(n);
});

afterAll(async () => {
  await pool.close();
  await owner.end();
  await database.drop();
});

async function insert(n: number): Promise<void> {
  await owner.query(
    `insert into payments.payments (tenant, id, wallet_id, service_id, amount, currency, method, reference, status,
                                    correlation_id, created_at, updated_at)
     values ($1, $2, $3, 's', $4, 'USD', 'balance', $5, $6, 'c', $7, $7)`,
    [
      TENANT,
      firstUuidAt(START + (n - 4) * MINUTE),
      `w-${n % 2}`,
      n + 1,
      n % 4 === 0 ? `r-${n % 8}` : null,
      n % 5 === 0 ? 'declined' : 'completed',
      new Date(START + n * MINUTE),
    ],
  );
}

const numbersOf = ({ payments }: PaymentRows) => payments.map(({ amountMinor }) => Number(amountMinor) - 1);

async function allPages(reads: PaymentReads, filter: PaymentFilter, limit: number): Promise<number[][]> {
  const pages: number[][] = [];
  let before: string | undefined;
  do {
    const page = await reads.list(TENANT, filter, { before, limit });
    pages.push(numbersOf(page));
    before = page.next;
  } while (before !== undefined);
  return pages;
}

describe('a list of payments', () => {
  test.each<[what: string, filter: PaymentFilter, expected: number[]]>([
    ['of a status', { status: 'declined' }, [15, 10, 5, 0]],
    ['of a wallet and a status', { walletId: 'w-1', status: 'declined' }, [15, 5]],
    ['of a wallet and another service', { walletId: 'w-1', serviceId: 't' }, []],
    ['of a reference', { reference: 'r-4' }, [12, 4]],
    ['of a reference and a wallet', { reference: 'r-4', walletId: 'w-1' }, []],
    ['of what waits for a person', { status: 'reconciliation_required' }, []],
    [
      'of a time, both ends included',
      { createdFrom: START + 3 * MINUTE, createdTo: START + 6 * MINUTE },
      [6, 5, 4, 3],
    ],
    ['of a time that ends before it starts', { createdFrom: START + MINUTE, createdTo: START }, []],
  ])('%s has those and no others, newest first, on however many pages', async (_what, filter, expected) => {
    const pages = await allPages(new PaymentReads(pool), filter, 3);
    expect(pages.flat()).toEqual(expected);
    expect(pages).toHaveLength(Math.max(1, Math.ceil(expected.length / 3)));
  });

  test('looks through a bounded number of payments for a page, and says where the next one goes on', async () => {
    const reads = new PaymentReads(pool, 6);
    const pages = await allPages(reads, { status: 'declined' }, 3);
    expect(pages).toEqual([[15], [10], [5], [0]]);
  });

  test('does not look through what is newer than the time asked for, or older', async () => {
    const reads = new PaymentReads(pool, 9);
    const filter = { createdFrom: START + 2 * MINUTE, createdTo: START + 4 * MINUTE };
    expect(await reads.list(TENANT, filter, { before: undefined, limit: 3 })).toMatchObject({
      next: undefined,
    });
    expect(await allPages(reads, filter, 3)).toEqual([[4, 3, 2]]);
  });

  test('of another tenant is empty', async () => {
    const page = await new PaymentReads(pool).list('globex', {}, { before: undefined, limit: 50 });
    expect(page).toEqual({ payments: [], next: undefined });
  });
});
