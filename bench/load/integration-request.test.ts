import { expect, test } from 'vitest';
import { IntegrationRequest } from './integration-request.ts';
import { Random } from './random.ts';

test('each request is a message of its own, all of one length', () => {
  const request = new IntegrationRequest({
    host: 'h:1',
    apiKey: 'lk_x_y',
    connector: 'bench-live',
    random: new Random(1),
  });
  const seen = Array.from({ length: 200 }, () => {
    const [head = '', body = ''] = request.next().toString('latin1').split('\r\n\r\n');
    expect(/content-length: (\d+)/.exec(head)?.[1]).toBe(String(body.length));
    const { order, lines } = JSON.parse(body) as { order: string; lines: { cents: number }[] };
    expect(lines[0]?.cents).toBeGreaterThanOrEqual(1000);
    return `${/idempotency-key: (\S+)/.exec(head)?.[1]} ${order}`;
  });
  expect(new Set(seen).size).toBe(200);
});
