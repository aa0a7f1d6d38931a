/** Processes that die while they give an event up, replay it, or work off what waited behind it (U4). */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import { verify } from '#proof/verify.ts';
import type { CrashMoment } from './crash-harness.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, startEngine } from './engine.ts';
import { orderOpenDeadLetters } from './order-dead-letters.ts';
import { ask } from './redelivery.ts';

const HARNESS = fileURLToPath(new URL('crash-harness.ts', import.meta.url));
/** Of ten payments one cannot be answered: enough for a process to give up a second one. */
const PER_PROCESS = 40;
const MOMENTS: readonly CrashMoment[] = ['before the commit', 'during the commit', 'after the commit'];

let database: TestDatabase;

beforeAll(async () => {
  database = await createProductDatabase();
  const engine = await startEngine(database.url);
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: 900_000_000n },
    { id: 'service', kind: 'service' },
  ]);
  await engine.close();
  await ask(
    database.url,
    `alter table validation.events add constraint poisoned check (data !~ '"amount":[0-9]*4,')`,
  );
});

afterAll(() => database.drop());

function runUntilItEnds(
  death: string,
  numbers: { from: number; to: number },
): Promise<{ signal: string | null; isSettled: boolean }> {
  const args = [HARNESS, database.url, death, String(numbers.from), String(numbers.to), 'poison'];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 60_000, killSignal: 'SIGTERM' }, (error, stdout) =>
      resolve({ signal: error?.signal ?? null, isSettled: stdout.endsWith('settled\n') }),
    );
  });
}

const KILLED = { signal: 'SIGKILL', isSettled: false };
const SETTLED = { signal: null, isSettled: true };
const ALL = { from: 0, to: MOMENTS.length * PER_PROCESS };
const NONE = { from: 0, to: 0 };

function count(text: string): Promise<number> {
  return ask(database.url, `select count(*)::int as count from ${text}`).then(
    ([row]) => row?.['count'] as number,
  );
}

test.each(MOMENTS.map((moment, index) => ({ moment, index })))(
  'U4: a process that dies $moment of giving an event up leaves it to the next',
  async ({ moment, index }) => {
    const from = Math.max(0, index - 1) * PER_PROCESS;
    const died = await runUntilItEnds(`dead-lettering:${moment}`, { from, to: (index + 1) * PER_PROCESS });
    expect(died).toEqual(KILLED);
  },
);

test('U4: after every death each such event is one dead letter, with one key parked, and the others are done', async () => {
  expect(await runUntilItEnds('none', ALL)).toEqual(SETTLED);
  const poisoned = ALL.to / 10;
  expect(await count('log.dead_letters')).toBe(poisoned);
  expect(await count('log.parked_keys')).toBe(poisoned);
  expect(await count(`payments.payments where status = 'pending'`)).toBe(poisoned);
  const report = await verify({ url: database.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
  expect(report).toMatchObject({ running: poisoned, parked: poisoned });
});

async function inEngine(work: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await startEngine(database.url, { poison: true });
  try {
    await work(engine);
  } finally {
    await engine.close();
  }
}

/** So that something waits behind each. */
async function cancelAll(engine: Engine): Promise<void> {
  const pending = await ask(database.url, `select id from payments.payments where status = 'pending'`);
  for (const row of pending) {
    const payment_id = idOf('pay', row['id'] as string);
    const { answer } = await engine.change({ operation: 'payments.cancel', payment_id });
    expect(answer.status).toBe(202);
  }
  await engine.settled(['validation']);
}

test('what comes later for a parked key waits', async () => {
  await inEngine(cancelAll);
  expect(await count('log.parked_events')).toBe(ALL.to / 10);
  await ask(database.url, 'alter table validation.events drop constraint poisoned');
  await orderOpenDeadLetters(database.url, 'replay');
});

test.each(['replay', 'working off'].flatMap((worker) => MOMENTS.map((moment) => ({ worker, moment }))))(
  'U4: a process that dies $moment of $worker leaves it to the next',
  async ({ worker, moment }) => {
    expect(await runUntilItEnds(`${worker}:${moment}`, NONE)).toEqual(KILLED);
  },
);

test('U4: at last every event has one answer, nothing is parked, every payment has ended, and the books balance', async () => {
  expect(await runUntilItEnds('none', NONE)).toEqual(SETTLED);
  expect(await count('log.parked_keys')).toBe(0);
  expect(await count('log.parked_events')).toBe(0);
  expect(await count(`log.dead_letters where state <> 'replayed'`)).toBe(0);
  expect(await count(`(select from validation.events group by causation having count(*) > 1) twice`)).toBe(0);
  expect(await count('validation.events')).toBe(await count('payments.events'));
  expect(await count(`payments.payments where status = 'pending'`)).toBe(0);
  const report = await verify({ url: database.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
  expect(report).toMatchObject({ running: 0, parked: 0 });
});
