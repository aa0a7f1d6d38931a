import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstUuidAt } from '#kernel/first-uuid.ts';
import { allPages, ListedRows } from '../../../tests/listed-rows.ts';
import { Connectors } from './connectors.ts';
import { type HookFilter, HookReads } from './hooks/hook-reads.ts';
import { HubReads, type IntegrationFilter } from './reads.ts';

const TENANT = 'acme';
const COUNT = 20;

let rows: ListedRows;

/**
 * Numbered from 0 on, the odd of another connector: every fifth integration has failed, and every fifth webhook was not authentic;
 * every seventh integration has the correlation id of the others of these.
 */
beforeAll(async () => {
  rows = await ListedRows.open();
  const ids = Array.from({ length: COUNT }, (_, n) => firstUuidAt(n));
  await rows.owner.query(
    `insert into hub.integrations (tenant, id, connector, connector_version, entry, status, origin, correlation_id, created_at,
                                   updated_at)
     select $1, id, 'c-' || (n - 1) % 2, 1, 'api', case (n - 1) % 5 when 0 then 'failed' else 'delivered' end, id,
            case (n - 1) % 7 when 0 then 'seventh' else 'n-' || n end, now(), now()
     from unnest($2::uuid[]) with ordinality as given (id, n)`,
    [TENANT, ids],
  );
  await rows.owner.query(
    `insert into hub.received_hooks (tenant, id, connector, headers, body, verdict, correlation_id, received_at)
     select $1, id, 'c-' || (n - 1) % 2, '{}', '', case (n - 1) % 5 when 0 then 'invalid' else 'valid' end, 'cor', now()
     from unnest($2::uuid[]) with ordinality as given (id, n)`,
    [TENANT, ids],
  );
});

afterAll(() => rows.close());

const NUMBERS = new Map(Array.from({ length: COUNT }, (_, n) => [firstUuidAt(n), n]));

const numberOf = ({ uuid }: { readonly uuid: string }): number => NUMBERS.get(uuid) ?? Number.NaN;

function integrations(filter: IntegrationFilter, lookedThroughMax?: number): Promise<number[][]> {
  const reads = new HubReads(rows.pool, lookedThroughMax);
  return allPages(async (before) => {
    const page = await reads.list(TENANT, filter, { before, limit: 3 });
    return { items: page.integrations.map(numberOf), next: page.next };
  });
}

function hooks(filter: HookFilter, lookedThroughMax?: number): Promise<number[][]> {
  const reads = new HookReads(rows.pool, lookedThroughMax);
  return allPages(async (before) => {
    const page = await reads.list(TENANT, filter, { before, limit: 3 });
    return { items: page.hooks.map(numberOf), next: page.next };
  });
}

const LARGE = 300_000;

test('a page of connectors is short if they are large, and the next one goes on', async () => {
  const definition = JSON.stringify({
    entry: { type: 'api' },
    destinations: {},
    tables: { t: { k: 'a'.repeat(LARGE) } },
  });
  await rows.owner.query(
    `insert into hub.connectors (tenant, name, version, entry, definition, put_at)
     select 'large', 'c-' || n, 1, 'api', $1, now() from generate_series(1, 9) as n`,
    [definition],
  );
  const connectors = new Connectors(rows.pool);
  const pageAfter = async (after: string) => {
    const page = await connectors.list('large', { after, limit: 9 });
    return [page.connectors.map(({ name }) => name), page.fitting];
  };
  expect(await pageAfter('')).toEqual([['c-1', 'c-2', 'c-3', 'c-4', 'c-5'], 4]);
  expect(await pageAfter('c-4')).toEqual([['c-5', 'c-6', 'c-7', 'c-8', 'c-9'], 4]);
  expect(await pageAfter('c-8')).toEqual([['c-9'], 1]);
});

test('a page of webhooks is short if they are large, and the next one goes on', async () => {
  const ids = Array.from({ length: 9 }, (_, n) => firstUuidAt(n));
  await rows.owner.query(
    `insert into hub.received_hooks (tenant, id, connector, headers, body, verdict, correlation_id, received_at)
     select 'large', id, 'c', '{}', decode(repeat('61', $2), 'hex'), 'invalid', 'cor', now() from unnest($1::uuid[]) as id`,
    [ids, LARGE],
  );
  const reads = new HookReads(rows.pool);
  const pages = await allPages(async (before) => {
    const page = await reads.list('large', {}, { before, limit: 9 });
    return { items: page.hooks.map(numberOf), next: page.next };
  });
  expect(pages).toEqual([[8, 7, 6, 5], [4, 3, 2, 1], [0]]);
});

describe('a list of integrations', () => {
  test.each<[what: string, filter: IntegrationFilter, expected: number[][]]>([
    ['of a status', { status: 'failed' }, [[15, 10, 5], [0]]],
    ['of a status that none has', { status: 'undone' }, [[]]],
    ['of a connector and a status', { connector: 'c-1', status: 'failed' }, [[15, 5]]],
    ['of a correlation id', { correlationId: 'seventh' }, [[14, 7, 0]]],
    ['of a correlation id and a connector', { correlationId: 'seventh', connector: 'c-1' }, [[7]]],
  ])('%s has those and no others, newest first, on however many pages', async (_what, filter, expected) => {
    expect(await integrations(filter)).toEqual(expected);
  });

  test.each<[what: string, filter: IntegrationFilter, expected: number[][]]>([
    ['of a status', { status: 'failed' }, [[15], [10], [5], [0]]],
    ['of a connector and a status', { connector: 'c-1', status: 'failed' }, [[15], [5]]],
    ['of a correlation id and a status', { correlationId: 'seventh', status: 'failed' }, [[0]]],
  ])(
    '%s looks through a bounded number for a page, and goes on behind it',
    async (_what, filter, expected) => {
      expect(await integrations(filter, 6)).toEqual(expected);
    },
  );
});

describe('a list of webhooks', () => {
  test.each<[what: string, filter: HookFilter, expected: number[][]]>([
    ['of a verdict', { verdict: 'invalid' }, [[15, 10, 5], [0]]],
    ['of a connector and a verdict', { connector: 'c-1', verdict: 'invalid' }, [[15, 5]]],
    ['of a connector that has none', { connector: 'c-2' }, [[]]],
  ])('%s has those and no others, newest first, on however many pages', async (_what, filter, expected) => {
    expect(await hooks(filter)).toEqual(expected);
  });

  test('looks through a bounded number for a page, and goes on behind it', async () => {
    expect(await hooks({ connector: 'c-1', verdict: 'invalid' }, 6)).toEqual([[15], [5]]);
    expect(await hooks({ verdict: 'invalid' }, 6)).toEqual([[15], [10], [5], [0]]);
  });
});
