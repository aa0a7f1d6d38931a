import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { allPages, ListedRows } from '../../../../tests/listed-rows.ts';
import { type DeliveryFilter, DeliveryReads } from './delivery-reads.ts';

const COUNT = 20;
const ENDPOINT = { key: 1n };

let rows: ListedRows;

/** Numbered from 0 on, about two subjects by turns: every fifth is exhausted, and the 6th and the 13th are another endpoint's. */
beforeAll(async () => {
  rows = await ListedRows.open();
  await rows.owner.query(
    `insert into notification.lanes (endpoint_key, subject, last_turn, last_sequence)
     select endpoint, 's-' || subject, ${COUNT}, ${COUNT}
     from generate_series(1, 2) as endpoint, generate_series(0, 1) as subject`,
  );
  await rows.owner.query(
    `insert into notification.messages (event, tenant, type, subject, body, correlation_id, occurred_at)
     select 'test/' || n, 'acme', 'payment.completed', 's-' || n % 2, '{}', 'cor', now() from generate_series(0, ${COUNT - 1}) as n`,
  );
  await rows.owner.query(
    `insert into notification.deliveries (id, endpoint_key, lane_key, turn, event, type, sequence, status, created_at)
     select d.id, l.endpoint_key, l.lane_key, n, 'test/' || n, 'payment.completed', n,
            case n % 5 when 0 then 'exhausted' else 'delivered' end, now()
     from unnest($1::uuid[]) with ordinality as d (id, nr)
     cross join lateral (select nr - 1 as n) as numbered
     join notification.lanes l on l.endpoint_key = case n % 7 when 6 then 2 else 1 end and l.subject = 's-' || n % 2`,
    [Array.from({ length: COUNT }, (_, n) => firstUuidAt(n))],
  );
});

afterAll(() => rows.close());

function pagesOf(filter: DeliveryFilter, lookedThroughMax?: number): Promise<number[][]> {
  const reads = new DeliveryReads(rows.pool, lookedThroughMax);
  return allPages(async (before) => {
    const { deliveries, next } = await reads.list(ENDPOINT, filter, { before, limit: 3 });
    return { items: deliveries.map(({ sequence }) => sequence), next };
  });
}

describe('a list of deliveries', () => {
  test.each<[what: string, filter: DeliveryFilter, expected: number[][]]>([
    [
      'of all',
      {},
      [
        [19, 18, 17],
        [16, 15, 14],
        [12, 11, 10],
        [9, 8, 7],
        [5, 4, 3],
        [2, 1, 0],
      ],
    ],
    ['of a status', { status: 'exhausted' }, [[15, 10, 5], [0]]],
    ['of a status that none has', { status: 'skipped' }, [[]]],
    [
      'of a subject',
      { subject: 's-1' },
      [
        [19, 17, 15],
        [11, 9, 7],
        [5, 3, 1],
      ],
    ],
    ['of a subject and a status', { subject: 's-1', status: 'exhausted' }, [[15, 5]]],
    ['of a subject that it was told nothing of', { subject: 's-2' }, [[]]],
  ])('%s has those and no others, newest first, on however many pages', async (_what, filter, expected) => {
    expect(await pagesOf(filter)).toEqual(expected);
  });

  test.each<[what: string, filter: DeliveryFilter, expected: number[][]]>([
    ['of a status', { status: 'exhausted' }, [[15], [10], [5], [0]]],
    ['of a status that none has', { status: 'skipped' }, [[], [], [], []]],
    ['of a subject and a status', { subject: 's-1', status: 'exhausted' }, [[15], [5]]],
  ])(
    '%s looks through a bounded number for a page, and goes on behind it',
    async (_what, filter, expected) => {
      expect(await pagesOf(filter, 5)).toEqual(expected);
    },
  );
});
