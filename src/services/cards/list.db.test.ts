import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { allPages, ListedRows } from '../../../tests/listed-rows.ts';
import { CardReads, type CardTransactionFilter } from './reads.ts';

const TENANT = 'acme';
const START = Date.parse('2026-01-01T00:00:00Z');
const MINUTE = 60_000;
/** Asked for at minute 7, and decided long after the others. */
const LATE = 7;

let rows: ListedRows;

/** One a minute, numbered from 0 on: every fifth is declined, every sixth unconfirmed, and the odd are of another account. */
beforeAll(async () => {
  rows = await ListedRows.open();
  for (const n of Array.from({ length: 20 }, (_, each) => each)) await insert(n);
});

afterAll(() => rows.close());

async function insert(n: number): Promise<void> {
  const id = firstUuidAt(START + n * MINUTE);
  await rows.owner.query(
    `insert into cards.card_transactions (tenant, id, account, amount, currency, code, latency_ms, state, captured, reversed,
                                          decided_at)
     values ($1, $2, $3, $4, 'BRL', $5, 1, 'declined', 0, 0, $6)`,
    [
      TENANT,
      id,
      `card-${n % 2}`,
      n + 1,
      n % 5 === 0 ? '51' : '00',
      new Date(START + (n === LATE ? 1000 : n) * MINUTE),
    ],
  );
  if (n % 6 === 0)
    await rows.owner.query('insert into cards.unconfirmed values ($1, $2, now())', [TENANT, id]);
}

function readsThrough(lookedThroughMax?: number): CardReads {
  return new CardReads(rows.pool, { findAccount: async () => undefined }, lookedThroughMax);
}

function pagesOf(reads: CardReads, filter: CardTransactionFilter): Promise<number[][]> {
  return allPages(async (before) => {
    const page = await reads.listCardTransactions(TENANT, filter, { before, limit: 3 });
    return {
      items: page.cardTransactions.map(({ amountMinor }) => Number(amountMinor) - 1),
      next: page.next,
    };
  });
}

describe('a list of card transactions', () => {
  test.each<[what: string, filter: CardTransactionFilter, expected: number[]]>([
    ['of a code', { code: '51' }, [15, 10, 5, 0]],
    ['of an account and a code', { account: 'card-1', code: '51' }, [15, 5]],
    ['of what is unconfirmed', { confirmation: 'unconfirmed' }, [18, 12, 6, 0]],
    ['of what is unconfirmed of an account', { confirmation: 'unconfirmed', account: 'card-1' }, []],
    ['of what is unconfirmed and a code', { confirmation: 'unconfirmed', code: '51' }, [0]],
    ['of a time, without its end', { from: START + 3 * MINUTE, to: START + 6 * MINUTE }, [5, 4, 3]],
    ['of a time in which one was decided late', { from: START + 18 * MINUTE }, [19, 18, LATE]],
    ['of a time that ends before it starts', { from: START + MINUTE, to: START }, []],
  ])('%s has those and no others, newest first, on however many pages', async (_what, filter, expected) => {
    const pages = await pagesOf(readsThrough(), filter);
    expect(pages.flat()).toEqual(expected);
    expect(pages).toHaveLength(Math.max(1, Math.ceil(expected.length / 3)));
  });

  test.each<[what: string, filter: CardTransactionFilter, bound: number, expected: number[][]]>([
    ['of a code', { code: '51' }, 6, [[15], [10], [5], [0]]],
    ['of an account and a code', { account: 'card-1', code: '51' }, 4, [[15], [5], []]],
    ['of what is unconfirmed and a code', { confirmation: 'unconfirmed', code: '51' }, 3, [[], [0]]],
    ['of a time', { from: START + 18 * MINUTE }, 8, [[19, 18], [LATE], []]],
  ])(
    '%s looks through a bounded number for a page, and goes on behind it',
    async (_what, filter, bound, expected) => {
      expect(await pagesOf(readsThrough(bound), filter)).toEqual(expected);
    },
  );

  test('does not look through what is newer than the time asked for', async () => {
    const [first] = await pagesOf(readsThrough(4), { to: START + 4 * MINUTE });
    expect(first).toEqual([3, 2, 1]);
  });

  test('ends where everything further was asked for a day before the time', async () => {
    const dayLater = START + 24 * 60 * MINUTE;
    expect(await pagesOf(readsThrough(4), { from: dayLater + 14 * MINUTE })).toEqual([[], []]);
    for (const filter of [{}, { account: 'card-1' }, { confirmation: 'unconfirmed' as const }])
      expect(await pagesOf(readsThrough(4), { ...filter, from: dayLater + 20 * MINUTE })).toEqual([[]]);
  });

  test('of another tenant is empty', async () => {
    const page = await readsThrough().listCardTransactions('globex', {}, { before: undefined, limit: 50 });
    expect(page).toEqual({ cardTransactions: [], next: undefined });
  });
});
