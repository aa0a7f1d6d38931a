/** H8: a connector whose shape is at fault is told where, and nothing of the kinds that it is not. */
import { expect, test } from 'vitest';
import { createFaultFinder } from '#platform/http/validation.ts';
import { ConnectorBody } from './connector-schemas.ts';

const faultsOf = createFaultFinder(ConnectorBody);
const CALL = { type: 'http', method: 'POST', url: 'https://erp.example/' };

function placesOf({ entry, destination, enrichment }: Record<string, unknown>): string[] {
  const connector = {
    entry: entry ?? { type: 'api' },
    destinations: { main: destination ?? CALL },
    ...(enrichment === undefined ? {} : { enrichment: [enrichment] }),
  };
  return faultsOf(connector, '').map(({ pointer, code }) => `${pointer} ${code}`);
}

const signed = (signature: object) => ({ entry: { type: 'webhook', signature } });

test.each([
  ['a URL', { destination: { ...CALL, url: 'ftp://erp.example/' } }, '/destinations/main/url wrong_format'],
  ['a method', { destination: { ...CALL, method: 'GET' } }, '/destinations/main/method not_allowed'],
  ['a body', { destination: { type: 'payment' } }, '/destinations/main/body required'],
  ['a kind', { destination: { ...CALL, type: 'mail' } }, '/destinations/main/type not_allowed'],
  [
    'a look-up',
    { enrichment: { type: 'http', url: 'https://erp.example/', key: 'a', into: 'b' } },
    '/enrichment/0/url wrong_format',
  ],
  ['a schema', { entry: { type: 'api', schema: [] } }, '/entry/schema wrong_type'],
  ['no signature', { entry: { type: 'webhook' } }, '/entry/signature required'],
  ['a scheme', signed({ scheme: 'rsa', secret: 's' }), '/entry/signature/scheme not_allowed'],
  ['an encoding', signed({ scheme: 'hmac', secret: 's', header: 'x' }), '/entry/signature/encoding required'],
])('%s', (_what, connector, place) => {
  expect(placesOf(connector)).toEqual([place]);
});

test('what was read may be put back with its name and version', () => {
  const read = { name: 'erp', version: 7, entry: { type: 'api' }, destinations: { main: CALL } };
  expect(faultsOf(read, '')).toEqual([]);
});
