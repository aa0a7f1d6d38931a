/** Checkpoints cover every batch once, one process makes each, and none is signed over a log that contradicts the last. */
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { SERVICE_ROLE } from '#platform/postgres/session.ts';
import { verify } from '#proof/verify.ts';
import { CheckpointReads } from '#services/integrity/checkpoints/checkpoint-reads.ts';
import { generateSigningKey, parseSigningKey } from '#services/integrity/checkpoints/signing-key.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { appendEvents } from './append-events.ts';
import { type CheckpointDesk, openCheckpointDesk } from './checkpoints.ts';
import { createPreparedDatabase, type TestDatabase } from './database.ts';

const PARTITIONS = 4;
const HEADS = TOPOLOGY.topics.length * PARTITIONS;
/** `STRETCH_PAGES_MAX` pages. */
const STRETCH_MAX = 16_384;

let database: TestDatabase;
let owner: Client;
let desk: CheckpointDesk;
let pool: ReadPool;
let reads: CheckpointReads;

beforeEach(async () => {
  database = await createPreparedDatabase(PARTITIONS);
  owner = new Client({ connectionString: database.url });
  await owner.connect();
  desk = await openCheckpointDesk(database.url);
  pool = new ReadPool({ url: database.url, onError: () => undefined });
  reads = new CheckpointReads(pool);
});

afterEach(async () => {
  await Promise.all([desk.close(), pool.close(), owner.end()]);
  await database.drop();
});

function draft(key: string): EventDraft {
  return {
    type: 'account.opened',
    version: 1,
    subject: key,
    tenant: 'acme',
    key,
    data: {},
    correlationId: newId('cor'),
    causation: newId('req'),
    traceparent: null,
  };
}

async function append(...keys: readonly string[]): Promise<void> {
  for (const key of keys)
    await appendEvents({ url: database.url, partitions: PARTITIONS }, 'ledger', [draft(key)]);
}

async function findingsOfCheckpoints(): Promise<unknown> {
  const report = await verify({ url: database.url });
  return report.checks.find(({ name }) => name === 'checkpoints')?.findings;
}

/** Batches whose chain is right, as many appends would have left them; there are no events in them. */
async function chainBatches(count: number): Promise<void> {
  await owner.query(
    `with recursive made(first, chain, root) as (
       select 1::bigint, sha256(log.genesis('ledger', 1) || int8send(1) || int4send(1) || sha256('1')), sha256('1')
       union all
       select first + 1, sha256(chain || int8send(first + 1) || int4send(1) || sha256('1')), root
       from made where first < $1
     ), noted as (insert into ledger.batches select 1, first, 1, root, chain from made returning first, chain)
     update log.heads h set position = first, chain = noted.chain from noted
     where h.topic = 'ledger' and h.partition = 1 and noted.first = $1`,
    [count],
  );
}

async function ledgerStandings(number: number) {
  const standings = await reads.standingsAt(number);
  return standings.filter(({ topic, batches }) => topic === 'ledger' && batches > 0);
}

test('each batch is in one checkpoint: a stretch begins where the one before it ended', async () => {
  await append('a', 'b', 'c', 'd');
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 1, behind: false });
  await append('a', 'b');
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 2, behind: false });
  const [first, second] = [await ledgerStandings(1), await ledgerStandings(2)];
  expect(first.reduce((sum, { batches }) => sum + batches, 0)).toBe(4);
  for (const now of second) {
    const before = first.find(({ partition }) => partition === now.partition);
    expect([before, { ...now, from: before?.position ?? 0 }]).toContainEqual(now);
  }
  expect(await findingsOfCheckpoints()).toEqual([]);
});

test('of many processes one makes each checkpoint, and numbers have no gap', async () => {
  const desks = await Promise.all(Array.from({ length: 6 }, () => openCheckpointDesk(database.url)));
  for (let round = 1; round <= 5; round++) {
    await append('a', 'b', 'c');
    const outcomes = await Promise.all(desks.map((each) => each.take()));
    expect(outcomes.filter(({ kind }) => kind === 'written')).toEqual([
      { kind: 'written', number: round, behind: false },
    ]);
  }
  await Promise.all(desks.map((each) => each.close()));
  expect(await findingsOfCheckpoints()).toEqual([]);
});

test('nothing new is no checkpoint, but once an hour; none is made while the last one is young', async () => {
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 1 });
  expect(await desk.take()).toEqual({ kind: 'nothing_new' });
  await append('a');
  expect(await desk.take({ intervalMs: 60_000 })).toMatchObject({ kind: 'not_due' });
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 2 });
  await owner.query(`update integrity.checkpoints set written_at = written_at - interval '59 minutes'`);
  expect(await desk.take()).toEqual({ kind: 'nothing_new' });
  await owner.query(`update integrity.checkpoints set written_at = written_at - interval '1 minute'`);
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 3 });
  expect(await findingsOfCheckpoints()).toEqual([]);
});

test('a log much longer than a checkpoint takes is caught up with in bounded steps', async () => {
  await chainBatches(2 * STRETCH_MAX + 100);
  const taken = [await desk.take(), await desk.take(), await desk.take(), await desk.take()];
  expect(taken).toEqual([
    { kind: 'written', number: 1, behind: true },
    { kind: 'written', number: 2, behind: true },
    { kind: 'written', number: 3, behind: false },
    { kind: 'nothing_new' },
  ]);
  const stretches = await Promise.all([1, 2, 3].map(ledgerStandings));
  expect(stretches.map(([stretch]) => stretch?.batches)).toEqual([STRETCH_MAX, STRETCH_MAX, 100]);
  expect(await findingsOfCheckpoints()).toEqual([]);
});

test('a stop that has no time left signs what was read by then', async () => {
  await append('a');
  expect(await desk.take({ isLate: () => true })).toMatchObject({ kind: 'written', number: 1, behind: true });
  expect(await ledgerStandings(1)).toEqual([]);
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 2, behind: false });
  expect(await findingsOfCheckpoints()).toEqual([]);
});

test.each([
  {
    what: 'is shorter than the last checkpoint says',
    sql: `update log.heads set position = position - 1 where topic = 'ledger' and position > 0`,
    reason: /ends at 0, and the last checkpoint signed 1/,
  },
  {
    what: 'has a batch whose chain value does not follow',
    sql: `update ledger.batches set chain = sha256(chain) where first = 2`,
    reason: /do not follow from each other, or from the last checkpoint/,
  },
  {
    what: 'lost a batch',
    sql: `delete from ledger.batches where first = 2`,
    reason: /do not follow from each other|go up to|another chain value/,
  },
  {
    what: 'lost a head',
    sql: `delete from log.heads where topic = 'providers' and partition = 1`,
    reason: new RegExp(`heads of ${HEADS - 1} partitions, and the last checkpoint had ${HEADS}`),
  },
  {
    what: 'has a head that is not its last batch’s',
    sql: `update log.heads set chain = sha256(chain) where topic = 'ledger' and position > 1`,
    reason: /another chain value than its last batch/,
  },
])('a log is not signed that $what', async ({ sql, reason }) => {
  await append('a');
  await desk.take();
  await append(...(sql.includes('position - 1') ? [] : ['a', 'a']));
  await owner.query(sql);
  const outcome = await desk.take();
  expect(outcome.kind === 'refused' ? outcome.reason : outcome.kind).toMatch(reason);
  expect((await reads.list(undefined, 10)).map(({ number }) => number)).toEqual([1]);
});

test('an instant does not go back along the chain, whatever the clocks of processes say', async () => {
  const ahead = await openCheckpointDesk(database.url, { clock: { now: () => Date.UTC(2100, 0) } });
  await ahead.take();
  await append('a');
  await desk.take();
  await ahead.close();
  const bodies = (await reads.list(undefined, 10)).map(({ body }) => JSON.parse(body) as { at: string });
  expect(bodies.map(({ at }) => at)).toEqual(['2100-01-01T00:00:00.000Z', '2100-01-01T00:00:00.000Z']);
});

test('after a change of keys both are published, and what the old one signed stays proved', async () => {
  await desk.take();
  const other = await openCheckpointDesk(database.url, { key: parseSigningKey(generateSigningKey()) });
  await append('a');
  expect(await other.take()).toMatchObject({ kind: 'written', number: 2 });
  await other.close();
  expect(await reads.keys()).toEqual([desk.key.publicKey, other.key.publicKey]);
  expect(await findingsOfCheckpoints()).toEqual([]);
});

test.each(['checkpoints', 'checkpoint_logs', 'signing_keys', 'installation_ids'])(
  'the role of the services can neither change nor delete %s',
  async (table) => {
    await desk.take();
    await owner.query(`set role ${SERVICE_ROLE}`);
    for (const sql of [`delete from integrity.${table}`, `truncate integrity.${table}`])
      await expect(owner.query(sql)).rejects.toThrow('permission denied');
    const { rows } = await owner.query<{ may: boolean }>(
      `select has_table_privilege('integrity.${table}', 'update') as may`,
    );
    expect(rows).toEqual([{ may: false }]);
  },
);
