/** What connectors are kept of, and what becomes of those that were kept when there are too many. */
import { expect, test } from 'vitest';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { keptOf, type PutDefinition, shownOf } from './connector.ts';
import { Connectors } from './connectors.ts';

let padding = () => '';
let asked = 0;

/** Has every connector that it is asked for. */
const reader: Reader = {
  query: async <Row>(_text: string, [tenants, names, versions]: readonly unknown[]) => {
    asked++;
    return (names as string[]).map((name, index) => ({
      tenant: (tenants as string[])[index],
      name,
      version: (versions as number[])[index],
      definition: JSON.stringify({ entry: { type: 'api' }, destinations: {}, padding: padding() }),
      put_at: 0,
    })) as Row[];
  },
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

test('what is kept is bounded by its length, however few there are', async () => {
  padding = () => 'a'.repeat(6 * 1024 * 1024);
  const connectors = new Connectors(reader);
  const askedFor = async (name: string) => {
    const before = asked;
    await connectors.load([named(name)]);
    return asked - before;
  };
  expect([await askedFor('a'), await askedFor('b'), await askedFor('a')]).toEqual([1, 1, 0]);
  expect([await askedFor('c'), await askedFor('a')]).toEqual([1, 1]);
  padding = () => '';
});

test('a definition is shown as it was put, its members in their order', () => {
  const put: PutDefinition = {
    tables: { t: { a: [[], { b: null }], c: 'd' } },
    entry: { type: 'api', schema: { enum: [[1], '2'] } },
    destinations: {},
  };
  const kept = keptOf(put);
  expect(kept.tables).toEqual({ t: { a: '[[],{"b":null}]', c: '"d"' } });
  expect(JSON.stringify(shownOf(kept))).toBe(JSON.stringify(put));
});
