/** Every kind of damage that an owner of the database can do is found, and what it was done to is named (U14). */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newSigningKey, openCheckpointDesk } from '../../tests/checkpoints.ts';
import { type Damage, inflict, toNamed } from '../../tests/damage.ts';
import { DAMAGES } from '../../tests/damages.ts';
import { cloneTestDatabase, createProductDatabase } from '../../tests/database.ts';
import { type Engine, startEngine } from '../../tests/engine.ts';
import { type PaidInstallation, payEveryEnding } from '../../tests/paid-installation.ts';
import { LEAF_SQL } from './leaf-sql.ts';
import { publicKeyOf } from './public-keys.ts';
import { rebuild } from './rebuild.ts';
import type { VerifyReport } from './report.ts';
import { verify } from './verify.ts';

let sound: PaidInstallation;

beforeAll(async () => {
  sound = await payEveryEnding();
});

afterAll(() => sound.database.drop());

function totalsOf(report: VerifyReport): Record<string, number> {
  return Object.fromEntries(report.checks.map(({ name, checked }) => [name, checked]));
}

test('an installation at rest verifies clean, and everything in it was looked at', async () => {
  const report = await verify({ url: sound.database.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
  expect(report).toMatchObject({ ok: true, payments: 25, running: 0 });
  expect(totalsOf(report)).toMatchObject({
    checkpoints: 2,
    postings: 46,
    entries: 23,
    accounts: 7,
    currencies: 2,
    holds: 21,
    sagas: 23,
    payments: 25,
    references: 1,
    verdicts: 25,
    notifications: 25,
  });
});

test('an installation without a payment verifies clean', async () => {
  const database = await createProductDatabase();
  const engine = await startEngine(database.url);
  await engine.close();
  expect(await verify({ url: database.url })).toMatchObject({ ok: true, payments: 0, running: 0 });
  expect(await rebuild({ url: database.url })).toHaveLength(5);
  await database.drop();
});

test('progress is told by phase, to the end of each', async () => {
  const last = new Map<string, number>();
  await verify({
    url: sound.database.url,
    onProgress: ({ phase, done, total }) => last.set(phase, done / total),
  });
  expect([...last.keys()]).toEqual([
    'log',
    'checkpoints',
    'postings',
    'accounts',
    'days',
    'payments',
    'payment rows',
    'refund rows',
    'references',
    'messages',
    'cards',
    'cash entries',
    'integrations',
    'keys',
  ]);
  expect(last.get('payments')).toBe(1);
});

test('it ends when it is told to', async () => {
  const reason = new Error('enough');
  await expect(verify({ url: sound.database.url, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  // Nobody is connected any more, or the copy could not be made.
  await (await cloneTestDatabase(sound.database)).drop();
});

/** Every other client's orders name a reference; a quarter's are declined, so that the next one may have it again. */
function orderOf(client: number, count: number): Parameters<Engine['submit']>[0] {
  if (client % 4 === 0) return { amount: 1_000_000, reference: `freed-${client}` };
  return client % 2 === 0 ? { amount: 1, reference: `kept-${client}-${count}` } : { amount: 1 };
}

test('what is ahead while payments come in, and checkpoints are signed, is no finding', async () => {
  const database = await cloneTestDatabase(sound.database);
  const engine = await startEngine(database.url);
  const end = new AbortController();
  const clients = Array.from({ length: 20 }, async (_, client) => {
    for (let count = 0; !end.signal.aborted; count++) await engine.submit(orderOf(client, count));
  });
  const desk = await openCheckpointDesk(database.url);
  const signing = (async () => {
    while (!end.signal.aborted) await desk.take();
  })();
  try {
    let running = 0;
    for (let round = 0; round < 3; round++) {
      const report = await verify({ url: database.url });
      expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
      running += report.running;
    }
    expect(running).toBeGreaterThan(0);
    end.abort();
    await Promise.all(clients);
    await engine.settled();
    expect(await verify({ url: database.url })).toMatchObject({ ok: true, running: 0 });
  } finally {
    end.abort();
    await Promise.all([...clients, signing]);
    await desk.close();
    await engine.close();
    await database.drop();
  }
});

const COMPLETED = `(select subject from "authorization".events where type = 'payment.completed' order by subject limit 1)`;

/** An event appended once more by the log's own function: root, chain and head are right, only the saga is not. */
const DUPLICATED_EVENT: Damage = {
  title: 'a duplicated event, appended by the rules',
  async inflict(run) {
    const subject = await run(
      `select subject from "authorization".events where type = 'payment.completed' order by subject limit 1`,
    );
    await run(
      `select "authorization".append(array[partition], array[1], array[${LEAF_SQL}], occurred_at, array[1::smallint],
         array[0], array[type], array[version], array[subject], array[tenant], array[key], array[data],
         array[correlation_id], array[causation], array[traceparent])
       from "authorization".events where subject = $1 and type = 'payment.completed'`,
      subject,
    );
    return [{ check: 'sagas', kind: 'repeated_event', subject }];
  },
};

/** What a program may fall over that reads it. */
const UNREADABLE: readonly Damage[] = [
  toNamed(
    'event data that nests deeper than anybody can write',
    `update payments.events set data = replace(data, '"metadata":null', '"metadata":' || repeat('[', 50000) || repeat(']', 50000))
     where subject = ${COMPLETED} returning subject`,
    [['sagas', 'unreadable_event']],
  ),
  toNamed(
    'an event of no instant',
    `update "authorization".events set occurred_at = 'infinity' where subject = ${COMPLETED} and type = 'payment.completed'
     returning subject`,
    [['payments', 'different_payment']],
  ),
];

test.concurrent.each([...DAMAGES, DUPLICATED_EVENT, ...UNREADABLE])('$title is found', async (damage) => {
  const database = await cloneTestDatabase(sound.database);
  try {
    const expected = await inflict(database.url, damage);
    const report = await verify({ url: database.url });
    expect(report.ok).toBe(false);
    const findings = report.checks.flatMap((check) =>
      check.findings.map(({ kind, subject }) => ({ check: check.name, kind, subject })),
    );
    expect(findings).toEqual(expect.arrayContaining([...expected]));
  } finally {
    await database.drop();
  }
});

test('U14: checkpoints that were taken away with all that tells of them are missed by who kept a copy', async () => {
  const database = await cloneTestDatabase(sound.database);
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  try {
    const { rows } = await owner.query<{ number: string; body: string }>(
      'select number, body from integrity.checkpoints order by number',
    );
    const kept = { checkpoints: rows.map(({ number, body }) => ({ number: Number(number), body })) };
    expect(await verify({ url: database.url, kept })).toMatchObject({ ok: true });
    for (const table of ['checkpoints', 'checkpoint_logs'])
      await owner.query(`delete from integrity.${table} where number = 2`);
    await owner.query(`update integrity.checkpoints set body = replace(body, '"at":"20', '"at":"19')`);
    const report = await verify({ url: database.url, kept });
    expect(report.checks.find(({ name }) => name === 'checkpoints')?.findings).toMatchObject([
      { kind: 'replaced_checkpoint', subject: 'checkpoint/1' },
      { kind: 'wrong_signature', subject: 'checkpoint/1' },
      { kind: 'missing_checkpoint', subject: 'checkpoint/2' },
    ]);
    // A copy that was taken after the forgery does not hide one that was taken before it.
    const [genuine] = kept.checkpoints;
    const forged = { number: 1, body: genuine?.body.replace('"at":"20', '"at":"19') ?? '' };
    const mixed = await verify({ url: database.url, kept: { checkpoints: [...kept.checkpoints, forged] } });
    expect(mixed.checks.find(({ name }) => name === 'checkpoints')?.findings).toContainEqual(
      expect.objectContaining({ kind: 'replaced_checkpoint', subject: 'checkpoint/1' }),
    );
  } finally {
    await owner.end();
    await database.drop();
  }
});

test('U14: a checkpoint that a key in the database has signed is not believed by who knows the key', async () => {
  const stranger = newSigningKey();
  const keys = new Map([[stranger.kid, publicKeyOf(stranger.publicKey)]]);
  const report = await verify({ url: sound.database.url, kept: { keys } });
  expect(
    report.checks.flatMap(({ findings }) => findings.map(({ kind, subject }) => [kind, subject])),
  ).toEqual([
    ['unknown_key', 'checkpoint/1'],
    ['unknown_key', 'checkpoint/2'],
  ]);
});
