/** What connectors are kept of, and what becomes of those that were kept when there are too many. */
import { expect, test } from 'vitest';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { Connectors } from './connectors.ts';

/** Has every connector that it is asked for. */
const reader: Reader = {
  query: async <Row>(_text: string, [tenants, names, versions]: readonly unknown[]) =>
    (names as string[]).map((name, index) => ({
      tenant: (tenants as string[])[index],
      name,
      version: (versions as number[])[index],
      definition: '{}',
      put_at: 0,
    })) as Row[],
};

const named = (name: string) => ({ tenant: 'acme', name, version: 1 });

test('those that were kept are found beside so many others that they make way for them', async () => {
  const connectors = new Connectors(reader);
  await connectors.load([named('erp')]);
  const others = Array.from({ length: 500 }, (_, n) => named(`partner-${n}`));
  const found = await connectors.load([named('erp'), ...others]);
  expect(found.get('acme/erp/1')).toMatchObject({ name: 'erp' });
  expect(found.size).toBe(501);
});
