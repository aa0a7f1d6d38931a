/** What is asked of a group's positions by those who move them (R1), of the functions themselves. */
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createPreparedDatabase, type TestDatabase } from '../../../tests/database.ts';

const AT = { group: 'ledger', topic: 'authorization', partition: 0, position: 5, turn: 7 };
type Place = typeof AT;

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createPreparedDatabase();
  client = new Client({ connectionString: database.url });
  client.on('error', () => undefined);
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

beforeEach(async () => {
  await client.query(
    'update log.positions set position = $4, turn = $5 where consumer_group = $1 and topic = $2 and partition = $3',
    Object.values(AT),
  );
});

function lock({ group, topic, partition, position, turn }: Place): Promise<unknown> {
  return client.query('select log.lock_positions($1, $2, $3::smallint[], $4, $5)', [
    [group],
    [topic],
    [partition],
    [position],
    [turn],
  ]);
}

function move({ group, topic, partition, position }: Place): Promise<unknown> {
  return client.query('select log.move_positions($1, $2, $3::smallint[], $4)', [
    [group],
    [topic],
    [partition],
    [position],
  ]);
}

async function standing(): Promise<unknown> {
  const { rows } = await client.query<{ position: string; turn: string }>(
    'select position, turn from log.positions where consumer_group = $1 and topic = $2 and partition = $3',
    [AT.group, AT.topic, AT.partition],
  );
  return rows.map(({ position, turn }) => [Number(position), Number(turn)]);
}

test('R1: who is where the position stands passes', async () => {
  await expect(lock(AT)).resolves.toMatchObject({ rowCount: 1 });
});

test.each([
  { position: 4 },
  { position: 6 },
  { turn: 6 },
  { turn: 8 },
  { group: 'nobody' },
  { partition: 99 },
])('R1: who believes in %o is fenced', async (other) => {
  await expect(lock({ ...AT, ...other })).rejects.toMatchObject({ code: 'LS001' });
});

test.each([5, 6, 50])('a position is moved to %i, and its turn counted', async (position) => {
  await move({ ...AT, position });
  expect(await standing()).toEqual([[position, AT.turn + 1]]);
});

test.each([{ position: 4 }, { group: 'nobody' }, { partition: 99 }])('none is moved to %o', async (other) => {
  await expect(move({ ...AT, ...other })).rejects.toMatchObject({ code: 'LS002' });
  expect(await standing()).toEqual([[AT.position, AT.turn]]);
});
