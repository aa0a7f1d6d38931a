/** Every kind of damage that an owner of the database can do is found, and what it was done to is named (U14). */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Damage, ExpectedFinding } from '../../tests/damage.ts';
import { DAMAGES } from '../../tests/damages.ts';
import { cloneTestDatabase, createProductDatabase } from '../../tests/database.ts';
import { type Engine, startEngine } from '../../tests/engine.ts';
import { type PaidInstallation, payEveryEnding } from '../../tests/paid-installation.ts';
import { LEAF_SQL } from './leaf-sql.ts';
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
  expect(await rebuild({ url: database.url })).toHaveLength(4);
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
    'postings',
    'accounts',
    'payments',
    'payment rows',
    'refund rows',
    'references',
    'cards',
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

test('what is ahead while payments come in is no finding', async () => {
  const database = await cloneTestDatabase(sound.database);
  const engine = await startEngine(database.url);
  const end = new AbortController();
  const clients = Array.from({ length: 20 }, async (_, client) => {
    for (let count = 0; !end.signal.aborted; count++) await engine.submit(orderOf(client, count));
  });
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
    await Promise.all(clients);
    await engine.close();
    await database.drop();
  }
});

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

async function inflict(url: string, damage: Damage): Promise<readonly ExpectedFinding[]> {
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  try {
    return await damage.inflict(async (sql, ...values) => {
      const { rows } = await owner.query<unknown[], unknown[]>({
        text: sql,
        values: [...values],
        rowMode: 'array',
      });
      if (rows.length === 0) throw new Error(`nothing was damaged by ${sql}`);
      return String(rows[0]?.[0]);
    });
  } finally {
    await owner.end();
  }
}

test.concurrent.each([...DAMAGES, DUPLICATED_EVENT])('$title is found', async (damage) => {
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
