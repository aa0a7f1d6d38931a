import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import { verify } from '#proof/verify.ts';
import { TOPOLOGY } from '../src/topology.ts';
import type { CrashMoment } from './crash-harness.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { startEngine } from './engine.ts';

const HARNESS = fileURLToPath(new URL('crash-harness.ts', import.meta.url));
const PER_PROCESS = 30;

/** Not imported: the harness is a program. */
const MOMENTS: readonly CrashMoment[] = [
  'before the fence',
  'after the load',
  'before the commit',
  'during the commit',
  'after the commit',
];
/** Of what payments fill. */
const FILLED = TOPOLOGY.topics.filter((topic) => topic !== 'hub' && topic !== 'cards');
/**
 * The providers' service dies in tests of its own, with providers to call: providers.db.test.ts, gateway-chaos.e2e.test.ts; the
 * hub with messages (hub.e2e.test.ts), and who reads cards alone with cards (`npm run torture`).
 */
const GROUPS = TOPOLOGY.groups
  .filter(({ group, topics }) => group !== 'providers' && topics.some((topic) => FILLED.includes(topic)))
  .map(({ group }) => group);
const WORKERS = ['intake', ...GROUPS, 'straight-through'];
const DEATHS = WORKERS.flatMap((worker) => MOMENTS.map((moment) => ({ worker, moment })));

let database: TestDatabase;
/** The payment that each answered request was told, by the request's number. */
const accepted = new Map<number, string>();
const contradictions: string[] = [];

beforeAll(async () => {
  database = await createProductDatabase();
  const engine = await startEngine(database.url);
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: 900_000_000n },
    { id: 'service', kind: 'service' },
  ]);
  await engine.close();
});

afterAll(() => database.drop());

interface Ended {
  readonly signal: string | null;
  readonly isSettled: boolean;
  readonly errors: string;
}

/** Runs the harness to its end, by its own hand or because all is done, and notes every answer it gave. */
function runUntilItEnds(death: string, numbers: { from: number; to: number }): Promise<Ended> {
  const args = [HARNESS, database.url, death, String(numbers.from), String(numbers.to)];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 30_000, killSignal: 'SIGTERM' }, (error, stdout, stderr) => {
      for (const [, number, id] of stdout.matchAll(/^202 (\d+) (\w+)$/gm))
        noteAnswer(Number(number), String(id));
      resolve({ signal: error?.signal ?? null, isSettled: stdout.endsWith('settled\n'), errors: stderr });
    });
  });
}

function noteAnswer(number: number, id: string): void {
  const before = accepted.get(number);
  if (before !== undefined && before !== id)
    contradictions.push(`payment ${number} was ${before} and is ${id}`);
  accepted.set(number, id);
}

/** Each process goes on where the one before it died, and asks again for what that one may not have been answered. */
test.each(DEATHS.map((death, index) => ({ ...death, index })))(
  'U4: a process that dies $moment of $worker leaves nothing to the next that it cannot finish',
  async ({ worker, moment, index }) => {
    const from = Math.max(0, index - 1) * PER_PROCESS;
    const died = await runUntilItEnds(`${worker}:${moment}`, { from, to: (index + 1) * PER_PROCESS });
    expect(died).toMatchObject({ signal: 'SIGKILL', isSettled: false });
  },
);

test('U4: after every death nothing is lost, nothing is done twice, and the books balance', async () => {
  const all = DEATHS.length * PER_PROCESS;
  const survivor = await runUntilItEnds('none', { from: 0, to: all });
  expect(survivor).toEqual({ signal: null, isSettled: true, errors: '' });
  expect(contradictions).toEqual([]);
  expect(accepted.size).toBe(all);

  const { statuses, verdicts, payments, followed } = await outcomes();
  const unexpected = [...accepted].filter(([number, id]) => statuses.get(id) !== endingOf(number));
  expect(unexpected).toEqual([]);
  expect({ payments, verdicts, followed }).toEqual({
    payments: all,
    verdicts: { complete: all },
    followed: 0,
  });
  const report = await verify({ url: database.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
  expect({ running: report.running, payments: report.payments }).toEqual({ running: 0, payments: all });
});

function endingOf(number: number): string {
  return { 7: 'declined', 8: 'rejected' }[number % 10] ?? 'completed';
}

async function outcomes(): Promise<{
  statuses: Map<string, string>;
  verdicts: Record<string, number>;
  payments: number;
  followed: number;
}> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const payments = await client.query<{ id: string; status: string }>(
      'select id, status from payments.payments',
    );
    const verdicts = await client.query<{ verdict: string; count: number }>(
      'select verdict, count(*)::int as count from integrity.verdicts group by verdict',
    );
    const followed = await client.query('select from integrity.followed');
    return {
      statuses: new Map(payments.rows.map(({ id, status }) => [idOf('pay', id), status])),
      verdicts: Object.fromEntries(verdicts.rows.map(({ verdict, count }) => [verdict, count])),
      payments: payments.rows.length,
      followed: followed.rows.length,
    };
  } finally {
    await client.end();
  }
}
