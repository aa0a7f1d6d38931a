import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SERVICE_ROLE, statement } from '#platform/postgres/session.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { hotPlan, readPlan } from './query-plan.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query(`
    do $$ begin create role ${SERVICE_ROLE} nologin; exception when duplicate_object or unique_violation then null; end $$;
    create table things (id int primary key, colour text not null, size int not null);
    create index things_colour on things (colour, size);
    create table empty_things (id int primary key);
    grant select, update on things, empty_things to ${SERVICE_ROLE};
    insert into things select n, 'c' || n % 1000, n from generate_series(1, 20000) n;
    analyze;`);
  await client.end();
});

afterAll(() => database.drop());

const hot = (text: string) => hotPlan(database.url, statement('tests.plan', text));
const read = (text: string, ...values: unknown[]) => readPlan(database.url, text, values);

test('a look-up has no fault, and names its index', async () => {
  const wanted =
    'unnest($1::int[]) as w(id) cross join lateral (select * from things t where t.id = w.id offset 0) t';
  expect(await hot(`select t.size from ${wanted}`)).toMatchObject({
    indexes: ['things_pkey'],
    faults: [],
    filters: [],
  });
  expect(await read('select size from things where id = $1', 7)).toMatchObject({
    indexes: ['things_pkey'],
    faults: [],
  });
});

test('a scan is a fault, whether the planner likes it or has nothing else', async () => {
  const { faults } = await hot('select id from things where colour || id = $1::text');
  expect(faults).toEqual(['Seq Scan things', 'Seq Scan things, disabled and yet the only way']);
  expect((await read('select * from things where colour || id = $1', 'c7')).faults).toEqual([
    'Seq Scan things',
  ]);
});

test('an index that is read from end to end is a fault, also if a later column is asked for', async () => {
  const whole = await hot('select id from things order by id');
  expect(whole.faults).toEqual(['Index Only Scan things things_pkey from end to end']);
  const later = await hot('select count(*) from things where size = $1::int');
  expect(later.faults).toEqual(['Index Only Scan things things_colour from end to end']);
});

test('a join that reads a side whole is a fault', async () => {
  const { faults } = await read('select * from things a join things b on b.size = a.id');
  expect(faults).toContain('Hash Join');
});

test('what an index does not tell apart, and what is sorted after it was read, is told', async () => {
  const plan = await read('select * from things where id < 5 and size = $1 order by colour', 7);
  expect(plan).toMatchObject({
    indexes: ['things_pkey'],
    faults: [],
    filters: ['(size = 7)'],
    sorts: ['colour'],
  });
});

test('a read of a table without a page is free', async () => {
  expect((await read('select * from empty_things')).faults).toEqual([]);
  expect((await hot('select * from empty_things')).faults).not.toEqual([]);
});
