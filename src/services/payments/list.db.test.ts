import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { allPages, ListedRows } from '../../../tests/listed-rows.ts';
import { type PaymentFilter, PaymentReads } from './reads.ts';

const TENANT = 'acme';
const START = Date.parse('2026-01-01T00:00:00Z');
const MINUTE = 60_000;

let rows: ListedRows;

/** One a minute, numbered from 0 on: every fifth is declined, every fourth has a reference, and its id was made four minutes before it, as in a process that was paused. */
beforeAll(async () => {
  rows = await ListedRows.open();
  for (const n of Array.from({ length: 20 }, (_, each) => each)) await insert(n);
});

afterAll(() => rows.close());

async function insert(n: number): Promise<void> {
  await rows.owner.query(
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

function pagesOf(reads: PaymentReads, filter: PaymentFilter): Promise<number[][]> {
  return allPages(async (before) => {
    const { payments, next } = await reads.list(TENANT, filter, { before, limit: 3 });
    return { items: payments.map(({ amountMinor }) => Number(amountMinor) - 1), next };
  });
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
    const pages = await pagesOf(new PaymentReads(rows.pool), filter);
    expect(pages.flat()).toEqual(expected);
    expect(pages).toHaveLength(Math.max(1, Math.ceil(expected.length / 3)));
  });

  test('looks through a bounded number of payments for a page, and says where the next one goes on', async () => {
    const reads = new PaymentReads(rows.pool, 6);
    const pages = await pagesOf(reads, { status: 'declined' });
    expect(pages).toEqual([[15], [10], [5], [0]]);
  });

  test('does not look through what is newer than the time asked for, or older', async () => {
    const reads = new PaymentReads(rows.pool, 9);
    const filter = { createdFrom: START + 2 * MINUTE, createdTo: START + 4 * MINUTE };
    expect(await reads.list(TENANT, filter, { before: undefined, limit: 3 })).toMatchObject({
      next: undefined,
    });
    expect(await pagesOf(reads, filter)).toEqual([[4, 3, 2]]);
  });

  test('of another tenant is empty', async () => {
    const page = await new PaymentReads(rows.pool).list('globex', {}, { before: undefined, limit: 50 });
    expect(page).toEqual({ payments: [], next: undefined });
  });
});
