import { expect, test } from 'vitest';
import { CashRequest } from './cash-request.ts';
import { Random } from './random.ts';

test('each request is a cash entry of its own, all of one length', () => {
  const request = new CashRequest({ host: 'h:1', apiKey: 'lk_x_y', books: 50, random: new Random(1) });
  const sent = Array.from({ length: 500 }, () => {
    const [head = '', body = ''] = request.next().toString('latin1').split('\r\n\r\n');
    expect(/content-length: (\d+)/.exec(head)?.[1]).toBe(String(body.length));
    const key = /idempotency-key: (\S+)/.exec(head)?.[1];
    return { key, ...(JSON.parse(body) as { account_id: string; direction: string; category: string }) };
  });
  expect(new Set(sent.map(({ key }) => key)).size).toBe(500);
  expect(new Set(sent.map(({ account_id }) => account_id)).size).toBeGreaterThan(40);
  expect(new Set(sent.map(({ direction }) => direction))).toEqual(new Set(['debit', 'credit']));
  expect(new Set(sent.map(({ category }) => category)).size).toBe(20);
});
