/** Checkpoints cover every batch once, one process makes each, and none is signed over a log that contradicts the last. */
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { newId } from '#kernel/ids.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { SERVICE_ROLE } from '#platform/postgres/session.ts';
import { publicKeyOf } from '#proof/public-keys.ts';
import { verify } from '#proof/verify.ts';
import { CheckpointReads } from '#services/integrity/checkpoints/checkpoint-reads.ts';
import { vouchersOf } from '#services/integrity/checkpoints/key-vouchers.ts';
import { PublishedKeys } from '#services/integrity/checkpoints/published-keys.ts';
import { generateSigningKey, parseSigningKey } from '#services/integrity/checkpoints/signing-key.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { appendEvents } from './append-events.ts';
import { chainBatches, STRETCH_MAX } from './chain-batches.ts';
import { type CheckpointDesk, newSigningKey, openCheckpointDesk } from './checkpoints.ts';
import { createPreparedDatabase, type TestDatabase } from './database.ts';

const PARTITIONS = 4;
const HEADS = TOPOLOGY.topics.length * PARTITIONS;

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
  expect(await desk.take({ dueAgeMs: 60_000 })).toMatchObject({ kind: 'not_due' });
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 2 });
  await owner.query(`update integrity.checkpoints set written_at = written_at - interval '59 minutes'`);
  expect(await desk.take()).toEqual({ kind: 'nothing_new' });
  await owner.query(`update integrity.checkpoints set written_at = written_at - interval '1 minute'`);
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 3 });
  expect(await findingsOfCheckpoints()).toEqual([]);
});

test('a log much longer than a checkpoint takes is caught up with in bounded steps', async () => {
  await chainBatches(owner, 2 * STRETCH_MAX + 100);
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

test('who pays has the database between pages', async () => {
  await chainBatches(owner, 300);
  const rests: number[] = [];
  const rest = async (workedMs: number): Promise<void> => {
    rests.push(workedMs);
    await Promise.resolve();
  };
  expect(await desk.take({ rest })).toMatchObject({ kind: 'written', behind: false });
  // The pages of the ledger's longest partition, and one of each other log that has any.
  expect(rests.length).toBeGreaterThanOrEqual(3);
  expect(Math.min(...rests)).toBeGreaterThan(0);
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

describe('U14: who owns the database gets no history of their own signed', () => {
  /** A past that agrees with itself: `a` and `b` never were, in their places are others. */
  async function forge(): Promise<void> {
    await owner.query('delete from ledger.events; delete from ledger.batches');
    await owner.query(
      `update log.heads set position = 0, chain = log.genesis(topic, partition) where topic = 'ledger'`,
    );
    await append('a', 'a', 'b', 'b');
  }

  test.each([
    ['standings deleted', `delete from integrity.checkpoint_logs where topic = 'ledger'`],
    [
      'standings that begin anew',
      `update integrity.checkpoint_logs set position = 0, from_position = 0,
        chain = log.genesis(topic, partition) where topic = 'ledger'`,
    ],
    [
      'standings put at the forged head',
      `update integrity.checkpoint_logs c set position = h.position, chain = h.chain
        from log.heads h where h.topic = c.topic and h.partition = c.partition`,
    ],
  ])('by %s', async (_what, sql) => {
    await append('a', 'b');
    await desk.take();
    await forge();
    await owner.query(sql);
    const fresh = await openCheckpointDesk(database.url);
    const refusal = {
      kind: 'refused',
      reason: 'where the logs stood at checkpoint 1 is not what was signed',
    };
    expect([await desk.take(), await fresh.take()]).toEqual([refusal, refusal]);
    await fresh.close();
  });

  test('by a checkpoint of another key, whether or not the key is among the published ones', async () => {
    await append('a', 'b');
    await desk.take();
    await forge();
    await owner.query('delete from integrity.checkpoint_logs; delete from integrity.checkpoints');
    const attacker = await openCheckpointDesk(database.url, { key: newSigningKey() });
    expect(await attacker.take()).toMatchObject({ kind: 'written', number: 1 });
    await attacker.close();
    const reason = 'no key that this process was given has signed checkpoint 1';
    expect(await desk.take()).toEqual({ kind: 'refused', reason });
  });

  test('by a body or a number that was not signed so', async () => {
    await desk.take();
    await owner.query(`update integrity.checkpoints set number = 2`);
    const fresh = await openCheckpointDesk(database.url);
    expect(await fresh.take()).toEqual({ kind: 'refused', reason: 'checkpoint 2 was signed as number 1' });
    await owner.query(
      `update integrity.checkpoints set number = 1, body = replace(body, '"logs":', '"logs":1')`,
    );
    const reason = 'no key that this process was given has signed checkpoint 1';
    expect(await fresh.take()).toEqual({ kind: 'refused', reason });
    await fresh.close();
  });

  test('by putting everything back to an earlier checkpoint, while a process runs that saw a later one', async () => {
    await append('a');
    await desk.take();
    await owner.query(`create table kept_heads as select * from log.heads;
      create table kept_batches as select * from ledger.batches;
      create table kept_events as select * from ledger.events`);
    await append('b');
    await desk.take();
    await owner.query(`delete from ledger.events; insert into ledger.events select * from kept_events;
      delete from ledger.batches; insert into ledger.batches select * from kept_batches;
      update log.heads h set position = k.position, chain = k.chain from kept_heads k
      where k.topic = h.topic and k.partition = h.partition;
      delete from integrity.checkpoints where number = 2; delete from integrity.checkpoint_logs where number = 2`);
    const below = 'the last checkpoint is 1, and this process has seen 2';
    expect(await desk.take()).toEqual({ kind: 'refused', reason: below });
    // Another process, which saw nothing of it, takes another way: this one does not follow.
    const fresh = await openCheckpointDesk(database.url);
    await append('a');
    expect(await fresh.take()).toMatchObject({ kind: 'written', number: 2 });
    const beside = 'checkpoint 2 is another one than this process has seen';
    expect(await desk.take()).toEqual({ kind: 'refused', reason: beside });
    await append('a');
    expect(await fresh.take()).toMatchObject({ kind: 'written', number: 3 });
    await fresh.close();
    const after = 'checkpoint 3 does not follow from checkpoint 2, which this process has seen';
    expect(await desk.take()).toEqual({ kind: 'refused', reason: after });
    await owner.query('delete from integrity.checkpoint_logs; delete from integrity.checkpoints');
    const gone = 'the last checkpoint is gone, and this process has seen 2';
    expect(await desk.take()).toEqual({ kind: 'refused', reason: gone });
  });
});

test('a process goes on from what others have signed since it looked last', async () => {
  const other = await openCheckpointDesk(database.url);
  await desk.take();
  for (const key of ['a', 'b', 'c']) {
    await append(key);
    await other.take();
  }
  await other.close();
  await append('d');
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 5 });
  expect(await findingsOfCheckpoints()).toEqual([]);
});

test('topics that an upgrade adds are signed from the next checkpoint on', async () => {
  await append('a');
  await desk.take();
  await owner.query(`insert into log.heads (topic, partition, chain)
    select topic, partition, log.genesis(topic, partition)
    from unnest(array['aardvark', 'zebra']) topic, generate_series(0, ${PARTITIONS - 1}) partition`);
  await append('a');
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 2 });
  expect(await desk.take()).toEqual({ kind: 'nothing_new' });
  await append('a');
  expect(await desk.take()).toMatchObject({ kind: 'written', number: 3 });
  expect(await reads.standingsAt(3)).toHaveLength(HEADS + 2 * PARTITIONS);
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

async function publishedBy({ key }: CheckpointDesk): Promise<string[]> {
  return (await new PublishedKeys(reads, systemClock, key).list()).map(({ kid }) => kid);
}

test('U14: a key that somebody puts into the database is not published, whoever vouches for it there', async () => {
  await desk.take();
  const attacker = newSigningKey();
  const installation = (await owner.query<{ id: string }>('select id from integrity.installation_ids'))
    .rows[0];
  const [own] = vouchersOf(attacker, installation?.id ?? '');
  await owner.query('insert into integrity.signing_keys values ($1, $2)', [attacker.kid, attacker.publicKey]);
  for (const by of [attacker.kid, desk.key.kid])
    await owner.query('insert into integrity.key_vouchers values ($1, $2, $3)', [
      attacker.kid,
      by,
      own?.signature,
    ]);
  expect(await publishedBy(desk)).toEqual([desk.key.kid]);
  expect(await findingsOfCheckpoints()).toMatchObject([
    { kind: 'unknown_key', subject: `signing_key/${attacker.kid}` },
  ]);
});

test('after a change of keys both are published, and what the old one signed stays proved', async () => {
  await desk.take();
  await append('a');
  const pem = generateSigningKey();
  const stranger = await openCheckpointDesk(database.url, { key: parseSigningKey(pem) });
  expect(await stranger.take()).toEqual({
    kind: 'refused',
    reason: 'no key that this process was given has signed checkpoint 1',
  });
  await stranger.close();
  const former = publicKeyOf(desk.key.publicKey).export({ type: 'spki', format: 'pem' }).toString();
  const other = await openCheckpointDesk(database.url, { key: parseSigningKey(pem + former) });
  expect(await other.take()).toMatchObject({ kind: 'written', number: 2 });
  await other.close();
  expect(await publishedBy(other)).toEqual([other.key.kid, desk.key.kid]);
  expect(await findingsOfCheckpoints()).toEqual([]);
  // Once more: the newest one was given the second, and the second has vouched for the first.
  const second = publicKeyOf(other.key.publicKey).export({ type: 'spki', format: 'pem' }).toString();
  const third = await openCheckpointDesk(database.url, {
    key: parseSigningKey(generateSigningKey() + second),
  });
  await append('a');
  expect(await third.take()).toMatchObject({ kind: 'written', number: 3 });
  await third.close();
  expect(await publishedBy(third)).toEqual([third.key.kid, other.key.kid, desk.key.kid]);
  expect(await findingsOfCheckpoints()).toEqual([]);
});

test.each(['checkpoints', 'checkpoint_logs', 'signing_keys', 'key_vouchers', 'installation_ids'])(
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
