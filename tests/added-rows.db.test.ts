/**
 * A row too many is found, in each table that a proof vouches for, whichever part of its key is another; or it stands in a list
 * with the reason why none is missed (U14).
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addCopy, type Column, listColumns, listUniqueKeys, otherValue } from './catalogue.ts';
import type { TestDatabase } from './database.ts';
import { findingsAbout, findingsOf } from './found-damage.ts';
import { PROVED_TABLES, type ProvedTable, WORLDS, type World } from './proved-columns.ts';
import { UNPROVED } from './unproved-columns.ts';

const MAY_BE_ADDED: Readonly<Record<string, string>> = {
  'consolidation.day_versions':
    'What a day was before is told by no log, but for what was sealed: that is there, and as it was told.',
};

/** What makes a copy of the row another row, by the columns of the primary key: each alone, with what else may not be there twice. */
async function othersOf(
  owner: pg.Client,
  columns: readonly Column[],
  { table, to = {} }: ProvedTable,
): Promise<Readonly<Record<string, string>>[]> {
  const valueOf = (name: string): string => {
    const column = columns.find((each) => `${each.schema}.${each.table}` === table && each.name === name);
    if (column === undefined) throw new Error(`${table} has no ${name}`);
    const value = to[name];
    // What gives itself a key is given one.
    return value === 'default' ? '999' : (value ?? otherValue(column));
  };
  const [primary = [], ...unique] = await listUniqueKeys(owner, table);
  return primary
    .filter((name) => UNPROVED[`${table}.${name}`] === undefined)
    .map((name) => {
      const beside = unique.filter((key) => !key.includes(name)).map(([first = '']) => first);
      return Object.fromEntries([name, ...beside].map((each) => [each, valueOf(each)]));
    });
}

describe.concurrent.each(Object.keys(WORLDS) as World[])('%s', (world) => {
  let database: TestDatabase;
  let owner: pg.Client;

  beforeAll(async () => {
    database = await WORLDS[world]();
    owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
  });

  afterAll(async () => {
    await owner.end();
    await database.drop();
  });

  test('what is added is found, table by table', async () => {
    const { url } = database;
    const columns = await listColumns(owner);
    const unnoticed: string[] = [];
    for (const spec of PROVED_TABLES.filter((each) => each.world === world && each.only === undefined)) {
      const { table, row } = spec;
      if (MAY_BE_ADDED[table] !== undefined) continue;
      for (const to of await othersOf(owner, columns, spec)) {
        const restore = await addCopy(owner, table, { where: row, to });
        if ((await findingsAbout(url, table)).length === 0)
          unnoticed.push(`${table} with ${JSON.stringify(to)}`);
        await restore();
      }
    }
    expect(unnoticed).toEqual([]);
    expect(await findingsOf(url)).toEqual([]);
  });
});
