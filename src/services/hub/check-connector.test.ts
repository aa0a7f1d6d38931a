/** H8: a connector that cannot work is refused before it is kept, each place by name. */
import { afterAll, expect, test } from 'vitest';
import { refusalOfUrl } from '#platform/egress/reachable.ts';
import { faultsOf } from './check-connector.ts';
import type { PutDefinition } from './connector.ts';
import { Evaluator } from './evaluation/evaluator.ts';

const WORKS: PutDefinition = {
  entry: { type: 'api' },
  rules: [{ route: 'erp' }],
  tables: { rates: { BR: 1 } },
  enrichment: [{ type: 'table', table: 'rates', key: 'country', into: 'rate' }],
  destinations: { erp: { type: 'http', method: 'POST', url: 'https://erp.example/exports' } },
};

const evaluator = new Evaluator();
afterAll(() => evaluator.close());

async function placesOf(more: Partial<PutDefinition>): Promise<string[]> {
  const refusalOf = (url: string) => refusalOfUrl(url, 'public');
  const faults = await faultsOf({ ...WORKS, ...more }, { tenant: 't', evaluator, refusalOf });
  return faults.map(({ pointer, code }) => `${pointer} ${code}`);
}

test('names that are not there, rules without an effect, and more than one destination without a default', async () => {
  const { destinations } = WORKS;
  expect(await placesOf({})).toEqual([]);
  expect(await placesOf({ rules: [{ route: 'no' }, { when: 'true' }] })).toEqual([
    '/rules/0/route unknown_name',
    '/rules/1 required',
  ]);
  expect(await placesOf({ tables: {} })).toEqual(['/enrichment/0/table unknown_name']);
  expect(await placesOf({ default_route: 'no' })).toEqual(['/default_route unknown_name']);
  const other = { type: 'payment', body: '{}' } as const;
  expect(await placesOf({ destinations: { ...destinations, other } })).toEqual(['/default_route required']);
});

test('addresses that no tenant may reach from here, of look-ups and undo calls too', async () => {
  const call = { method: 'POST', url: 'http://169.254.169.254/latest' } as const;
  expect(
    await placesOf({
      enrichment: [{ type: 'http', url: 'https://127.0.0.1/{key}', key: 'a', into: 'b' }],
      destinations: { erp: { type: 'http', ...call, undo: { ...call, url: 'https://[::1]/undo' } } },
    }),
  ).toEqual([
    '/enrichment/0/url not_allowed',
    '/destinations/erp/url not_allowed',
    '/destinations/erp/undo/url not_allowed',
  ]);
});

test('a host that the message could choose, to be sent the connector’s secret', async () => {
  const lookUp = { type: 'http', key: 'a', into: 'b' } as const;
  const urls = [
    'https://{key}/x',
    'https://{key}.erp.example/x',
    'https://erp.example{key}/x',
    'https://erp.example/x?id={key}',
  ];
  expect(await placesOf({ enrichment: urls.map((url) => ({ ...lookUp, url })) })).toEqual(
    [0, 1, 2].map((index) => `/enrichment/${index}/url not_allowed`),
  );
});

test('headers that are the connection’s, the call’s own, or a secret in clear', async () => {
  const call = { method: 'POST', url: 'https://erp.example/exports' } as const;
  const secret = { type: 'header', secret: 'erp' } as const;
  const undo = { ...call, authentication: { ...secret, name: 'Content-Length' } };
  const headers = { 'Idempotency-Key': 'mine', 'x-source': 'lastro', Authorization: 'Bearer abc' };
  expect(
    await placesOf({
      destinations: {
        erp: { type: 'http', ...call, headers, authentication: { ...secret, name: 'Authorization' }, undo },
      },
    }),
  ).toEqual([
    '/destinations/erp/undo/authentication/name not_allowed',
    '/destinations/erp/headers/Idempotency-Key not_allowed',
    '/destinations/erp/headers/Authorization not_allowed',
  ]);
});

test('one that is too large to be loaded for every batch', async () => {
  const rates = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`k${index}`, 'x'.repeat(60)]));
  expect(await placesOf({ tables: { rates } })).toEqual([' too_long']);
});
