/** K5: a process that dies, or is stopped, between the commit of an approval and its answer. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { verify } from '#proof/verify.ts';
import { type CardFixture, type CardProcess, openCards, TENANT } from './card-fixture.ts';
import { PATIENCE } from './patience.ts';

const HARNESS = fileURLToPath(new URL('card-harness.ts', import.meta.url));
let fixture: CardFixture;
/** The process that is still there. */
let survivor: CardProcess;
let account = '';
let made = 0;

beforeAll(async () => {
  fixture = await openCards();
  survivor = await fixture.process();
});
afterAll(() => fixture.close());

beforeEach(async () => {
  made += 1;
  account = `card-${made}`;
  const order = { operation: 'cards.create', account, currency: 'BRL', balances: { MEAL: 1000 } } as const;
  await survivor.order(order);
});

interface Decider {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly signal: string | null; readonly output: string }>;
}

function decide(signal: 'SIGKILL' | 'SIGSTOP', id: string, deadlineMs: number): Decider {
  const body = JSON.stringify({ account, totalAmount: 1, mcc: '5811', merchant: 'PADARIA', id });
  const child = spawn(process.execPath, [HARNESS, fixture.url, signal, body, String(deadlineMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(([, by]) => ({ signal: by as string | null, output }));
  return { child, ended };
}

/** It stops itself behind its commit, which is seen here as soon as by it: so it is resumed until it ends. */
function resumed({ child, ended }: Decider): Decider['ended'] {
  const resuming = setInterval(() => child.kill('SIGCONT'), PATIENCE.interval);
  return ended.finally(() => clearInterval(resuming));
}

async function spent(): Promise<number> {
  return 1000 - ((await fixture.balances(account))['MEAL'] ?? 0);
}

async function unconfirmed(): Promise<(string | null)[]> {
  const page = { before: undefined, limit: 100 };
  const filter = { account, confirmation: 'unconfirmed' } as const;
  const { cardTransactions } = await fixture.reads.listCardTransactions(TENANT, filter, page);
  return cardTransactions.map(({ externalId }) => externalId);
}

/** Ten seconds after the last sign of life of whoever is not there any more. */
async function lookLater(): Promise<void> {
  await fixture.rows(`update cards.deciders set seen_at = seen_at - interval '11 s' where pending <> '{}'`);
  await survivor.cards.watch.look();
}

test('K5: killed between commit and answer, the approval stands, is listed, and a repeat settles it', async () => {
  expect(await decide('SIGKILL', 'killed', 30_000).ended).toEqual({ signal: 'SIGKILL', output: '' });
  expect(await spent()).toBe(100);
  await lookLater();
  expect(await unconfirmed()).toEqual(['killed']);
  const body = { account, totalAmount: 1, merchant: 'PADARIA', id: 'killed' };
  expect(await survivor.purchase(body)).toMatchObject({ repeated: true, cardTransaction: { code: '00' } });
  await vi.waitUntil(async () => (await unconfirmed()).length === 0, PATIENCE);
  expect(await spent()).toBe(100);
});

test('K5: stopped between commit and answer until after the deadline, it gives back before it answers 07', async () => {
  const deadlineMs = 200;
  const decider = decide('SIGSTOP', 'stopped', deadlineMs);
  await vi.waitUntil(async () => (await spent()) === 100, PATIENCE);
  const committedAt = performance.now();
  await vi.waitUntil(() => performance.now() > committedAt + deadlineMs, PATIENCE);
  // Whoever buries it meanwhile is put right by its return.
  await lookLater();
  expect(await unconfirmed()).toEqual(['stopped']);
  expect(await resumed(decider)).toEqual({ signal: null, output: '07 late\n' });
  expect(await spent()).toBe(0);
  expect(await unconfirmed()).toEqual([]);
});

test('K5: what a repeat elsewhere was told meanwhile is not given back: both are told 00', async () => {
  const deadlineMs = 200;
  const decider = decide('SIGSTOP', 'repeated', deadlineMs);
  await vi.waitUntil(async () => (await spent()) === 100, PATIENCE);
  const committedAt = performance.now();
  await vi.waitUntil(() => performance.now() > committedAt + deadlineMs, PATIENCE);
  const body = { account, totalAmount: 1, merchant: 'PADARIA', id: 'repeated' };
  expect(await survivor.purchase(body)).toMatchObject({ repeated: true, cardTransaction: { code: '00' } });
  expect(await resumed(decider)).toEqual({ signal: null, output: '00 in time\n' });
  expect(await spent()).toBe(100);
});

test('K5: stopped and back before the deadline, it answers 00', async () => {
  const decider = decide('SIGSTOP', 'back', 30_000);
  await vi.waitUntil(async () => (await spent()) === 100, PATIENCE);
  expect(await resumed(decider)).toEqual({ signal: null, output: '00 in time\n' });
  expect(await spent()).toBe(100);
});

test('what all of this left behind balances', async () => {
  const report = await verify({ url: fixture.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
});
