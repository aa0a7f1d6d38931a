/**
 * Nothing is forgotten that a proof should vouch for: each column of each table is damaged here, and a row of each is taken away,
 * and that is found; or it stands in a list with the reason why it need not be (U14).
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEAF_SQL } from '#proof/leaf-sql.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { type Column, damage, listColumns, takeAway } from './catalogue.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { findingsAbout, findingsOf } from './found-damage.ts';
import { payEveryEnding } from './paid-installation.ts';
import { isShownBy, PROVED_TABLES, WORLDS, type World } from './proved-columns.ts';
import { UNPROVED } from './unproved-columns.ts';

/** What every topic has, and what is done to the one and the other of them. */
const OF_LOGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  events: { partition: '99', position: 'position + 1000000' },
  batches: { partition: '99', first: 'first + 1000000' },
};

async function owned(database: TestDatabase): Promise<pg.Client> {
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  return owner;
}

function isOfLog({ schema, table }: Column): boolean {
  return TOPOLOGY.topics.includes(schema) && OF_LOGS[table] !== undefined;
}

function nameOf({ schema, table }: Column): string {
  return `${schema}.${table}`;
}

function isUnproved(column: Column): boolean {
  const table = nameOf(column);
  return UNPROVED[table] !== undefined || UNPROVED[`${table}.${column.name}`] !== undefined;
}

test('every column is proved, or there is a reason why it is not; and no reason is of a column that is not there', async () => {
  const database = await createProductDatabase();
  const owner = await owned(database);
  const columns = await listColumns(owner);
  await owner.end();
  await database.drop();
  const proved = new Set(PROVED_TABLES.map(({ table }) => table));
  const forgotten = columns.filter(
    (column) => !isOfLog(column) && !isUnproved(column) && !proved.has(nameOf(column)),
  );
  expect(forgotten.map((column) => `${nameOf(column)}.${column.name}`)).toEqual([]);
  const known = new Set(columns.flatMap((column) => [nameOf(column), `${nameOf(column)}.${column.name}`]));
  expect(Object.keys(UNPROVED).filter((name) => !known.has(name))).toEqual([]);
  expect(PROVED_TABLES.filter(({ table }) => UNPROVED[table] !== undefined)).toEqual([]);
});

/** Rows that no proof misses, by table, with the reason. */
const MAY_BE_GONE: Readonly<Record<string, string>> = {
  'notification.messages': 'Bodies are forgotten after a while.',
  'notification.lanes': 'Who is to be told is told by no log.',
};

describe.concurrent.each(Object.keys(WORLDS) as World[])('%s', (world) => {
  let database: TestDatabase;
  let owner: pg.Client;

  beforeAll(async () => {
    database = await WORLDS[world]();
    owner = await owned(database);
  });

  afterAll(async () => {
    await owner.end();
    await database.drop();
  });

  test('what is damaged is found, column by column, and so is a row that is gone', async () => {
    const { url } = database;
    expect(await findingsOf(url)).toEqual([]);
    const columns = (await listColumns(owner)).filter((column) => !isUnproved(column));
    const unnoticed: string[] = [];
    for (const spec of PROVED_TABLES.filter((each) => each.world === world)) {
      const { table, row, to } = spec;
      for (const column of columns.filter((each) => nameOf(each) === table && isShownBy(spec, each.name))) {
        const restore = await damage(owner, column, { where: row, to: to?.[column.name] });
        if ((await findingsAbout(url, table)).length === 0)
          unnoticed.push(`${table}.${column.name} where ${row}`);
        await restore();
      }
      if (MAY_BE_GONE[table] !== undefined) continue;
      const restore = await takeAway(owner, table, row);
      if ((await findingsAbout(url, table)).length === 0) unnoticed.push(`${table}, gone where ${row}`);
      await restore();
    }
    expect(unnoticed).toEqual([]);
    expect(await findingsOf(url)).toEqual([]);
  });
});

/** Of a log that has none, an event as another log has it: a log's proof reads no data. */
function appendTo(topic: string): string {
  return `select "${topic}".append(array[partition], array[1], array[${LEAF_SQL}], occurred_at, array[1::smallint], array[0],
            array[type], array[version], array[subject], array[tenant], array[key], array[data], array[correlation_id],
            array[causation], array[traceparent])
          from (select * from payments.events order by partition, position limit 1) e`;
}

test('what is damaged in any log is found, column by column', async () => {
  const { database } = await payEveryEnding();
  const { url } = database;
  const owner = await owned(database);
  for (const topic of TOPOLOGY.topics) await owner.query(appendTo(topic));
  expect(await findingsOf(url, 'log')).toEqual([]);
  const columns = (await listColumns(owner)).filter(isOfLog);
  const unnoticed: string[] = [];
  for (const [what, ofAll] of Map.groupBy(columns, ({ table, name }) => `${table}.${name}`)) {
    const restoring: (() => Promise<void>)[] = [];
    for (const column of ofAll) {
      const to = OF_LOGS[column.table]?.[column.name];
      restoring.push(await damage(owner, column, { where: 'true', to }));
    }
    const findings = await findingsOf(url, 'log');
    const isFound = ({ schema }: Column) => findings.some((text) => text.includes(` ${schema}/`));
    unnoticed.push(...ofAll.filter((column) => !isFound(column)).map(({ schema }) => `${what} of ${schema}`));
    for (const restore of restoring) await restore();
  }
  expect(unnoticed).toEqual([]);
  await owner.end();
  await database.drop();
});
