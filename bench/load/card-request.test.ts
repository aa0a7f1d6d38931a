import { expect, test } from 'vitest';
import { CardRequest } from './card-request.ts';
import { Random } from './random.ts';

interface Body {
  readonly id: string;
  readonly account: string;
  readonly totalAmount: number;
  readonly mcc: string;
  readonly merchant: string;
}

function bodiesOf(request: CardRequest, count: number): Body[] {
  return Array.from({ length: count }, () => {
    const [head = '', body = ''] = request.next().toString('latin1').split('\r\n\r\n');
    expect(/content-length: (\d+)/.exec(head)?.[1]).toBe(String(body.length));
    return JSON.parse(body) as Body;
  });
}

test('each request is a card transaction of its own, all of one length', () => {
  const request = new CardRequest({ host: 'h:1', apiKey: 'lk_x_y', cards: 50, random: new Random(1) });
  const bodies = bodiesOf(request, 500);
  expect(new Set(bodies.map(({ id }) => id)).size).toBe(500);
  expect(new Set(bodies.map(({ account }) => account)).size).toBeGreaterThan(40);
  expect(new Set(bodies.map(({ mcc }) => mcc))).toEqual(new Set(['5411', '5811', '5999']));
  for (const { totalAmount, merchant } of bodies) {
    expect(totalAmount).toBeGreaterThanOrEqual(10);
    expect(totalAmount).toBeLessThanOrEqual(99);
    expect(merchant).toHaveLength(40);
  }
});

test('one card takes them all if there is one', () => {
  const request = new CardRequest({ host: 'h:1', apiKey: 'lk_x_y', cards: 1, random: new Random(1) });
  expect(new Set(bodiesOf(request, 20).map(({ account }) => account))).toEqual(new Set(['bench-c-000000']));
});
