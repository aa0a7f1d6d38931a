/** A process makes checkpoints while it runs and one when it stops, and a stop waits for neither a lock nor a database. */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { Session } from '#platform/postgres/session.ts';
import { chainBatches, STRETCH_MAX } from '../../../../tests/chain-batches.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { PATIENCE } from '../../../../tests/patience.ts';
import { CheckpointClerk, type TurnKind } from './checkpoint-clerk.ts';
import { generateSigningKey, parseSigningKey } from './signing-key.ts';

const SELDOM_MS = 3_600_000;
/** Every process is given the same. */
const KEY = parseSigningKey(generateSigningKey());

let database: TestDatabase;
let owner: Client;
let session: Session;
let turns: TurnKind[];
let errors: unknown[];

beforeEach(async () => {
  database = await createPreparedDatabase();
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  session = new Session({ url: database.url, name: 'checkpoints' });
  turns = [];
  errors = [];
});

afterEach(async () => {
  await Promise.all([session.close(), owner.end()]);
  await database.drop();
});

function clerkOf(intervalMs: number, of: Session = session): CheckpointClerk {
  return new CheckpointClerk({
    session: of,
    clock: systemClock,
    key: KEY,
    intervalMs,
    random: Math.random,
    onTurn: (kind) => turns.push(kind),
    onRefused: () => undefined,
    onError: (error) => errors.push(error),
  });
}

async function countCheckpoints(): Promise<number> {
  return (await owner.query('select from integrity.checkpoints')).rows.length;
}

/** Whether whoever makes checkpoints is reading batches, or has read some last. */
async function stateOfMaker(state: 'active' | 'idle'): Promise<number> {
  const found = await owner.query(
    `select from pg_stat_activity
     where application_name = 'lastro checkpoints' and state = $1 and query like 'select stretch.partition, page%'`,
    [state],
  );
  return found.rows.length;
}

/** A process whose reading of batches waits until the holder is ended. */
async function heldAtBatches(): Promise<{ clerk: CheckpointClerk; holder: Client }> {
  await move();
  const holder = new Client({ connectionString: database.url });
  await holder.connect();
  await holder.query('begin');
  await holder.query('lock table ledger.batches in access exclusive mode');
  const clerk = clerkOf(SELDOM_MS);
  clerk.start();
  await expect.poll(() => stateOfMaker('active')).toBe(1);
  return { clerk, holder };
}

/** Something new to sign, as integrity's positions move. */
function move(): Promise<unknown> {
  return owner.query(`
    select ledger.append(array[1::smallint], array[1], array[sha256('1')], now(), array[1::smallint], array[0],
      array['account.opened'], array[1::smallint], array['a'], array['acme'], array['a'], array['{}'], array['cor'],
      array['req'], array[null::text])`);
}

test('checkpoints come by themselves, the first one at once', async () => {
  const clerk = clerkOf(100);
  clerk.start();
  await expect.poll(countCheckpoints).toBe(1);
  await move();
  await expect.poll(countCheckpoints).toBe(2);
  await clerk.stop();
  expect(errors).toEqual([]);
});

test('a stop makes one, however young the last one is, if there is anything new', async () => {
  const clerk = clerkOf(SELDOM_MS);
  clerk.start();
  await expect.poll(() => turns).toEqual(['written']);
  await move();
  await clerk.stop();
  expect(turns).toEqual(['written', 'written']);
  const other = clerkOf(SELDOM_MS);
  other.start();
  await expect.poll(() => turns.at(-1)).toBe('not_due');
  await other.stop();
  expect(turns.slice(2)).toEqual(['not_due', 'nothing_new']);
  expect(await countCheckpoints()).toBe(2);
});

test('a stop does not wait for somebody who holds the table', async () => {
  const clerk = clerkOf(SELDOM_MS);
  clerk.start();
  await expect.poll(() => turns).toEqual(['written']);
  await owner.query('begin');
  await owner.query('lock table integrity.checkpoints in access exclusive mode');
  await clerk.stop(); // while the lock is held
  expect(turns).toEqual(['written']);
  await owner.query('rollback');
});

test('a stop ends the rest behind a page, and signs', async () => {
  const { clerk, holder } = await heldAtBatches();
  await delay(500); // So the page takes half a second, and is followed by a rest of several.
  await holder.end();
  await expect.poll(() => stateOfMaker('idle')).toBe(1);
  await clerk.stop();
  expect(turns[0]).toBe('written');
  expect(errors).toEqual([]);
});

test('a stop that takes too long leaves the session alone from then on', async () => {
  const { clerk, holder } = await heldAtBatches();
  await clerk.stop();
  await session.close();
  await holder.end();
  await expect.poll(() => errors.length).toBeGreaterThan(0);
  await delay(500); // A connection that is asked for now is there by then.
  // The server may take a while to end the one that waited; another one would stay.
  const left = () =>
    owner.query(`select from pg_stat_activity where application_name = 'lastro checkpoints'`);
  await expect.poll(async () => (await left()).rowCount, PATIENCE).toBe(0);
  expect(new Set(turns)).toEqual(new Set(['failed']));
});

test('who is behind goes on before the interval is over', async () => {
  await chainBatches(owner, STRETCH_MAX + 100);
  const clerk = clerkOf(60_000);
  clerk.start();
  await expect.poll(() => turns).toEqual(['written', 'written']);
  await clerk.stop();
});

test('after a failure it is tried again, until the database is there', async () => {
  await owner.query('alter table integrity.installation_ids rename to hidden');
  const clerk = clerkOf(100);
  clerk.start();
  await expect.poll(() => errors.length).toBeGreaterThan(1);
  await owner.query('alter table integrity.hidden rename to installation_ids');
  await expect.poll(countCheckpoints).toBe(1);
  await clerk.stop();
});
