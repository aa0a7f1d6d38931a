/** The embedded PostgreSQL is killed while processes use it: they start it again themselves. */
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import { openEmbeddedPostgres } from '#platform/postgres/embedded/embedded-postgres.ts';
import { endSurvivors, findPostmaster, type Postmaster } from '#platform/postgres/embedded/postmaster.ts';
import { isAlive } from '#platform/processes/process-identity.ts';
import { verify } from '#proof/verify.ts';
import { http, type LastroProcess, runAndSignal, startLastroProcess } from './lastro-process.ts';
import { openWallets, Payers, paymentFrom } from './payers.ts';

/** From the server's death to the next payment that is completed. */
const OUTAGE = { timeout: 15_000, interval: 100 };
const DRAIN = { timeout: 20_000, interval: 100 };

let folder: string;
let dataDir: string;
let payers: Payers;
const live = new Set<LastroProcess>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastro-lost-server-'));
  chmodSync(folder, 0o711); // root's PostgreSQL runs as nobody
  dataDir = join(folder, 'data');
});

afterAll(async () => {
  await payers.stop();
  for (const process of live) process.kill('SIGKILL');
  await Promise.all([...live].map(({ ended }) => ended));
  await endSurvivors(cluster());
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<LastroProcess> {
  const process = await startLastroProcess({ DATA_DIR: dataDir });
  live.add(process);
  return process;
}

function cluster(): string {
  return realpathSync(join(dataDir, 'postgres', 'cluster'));
}

function server(): Postmaster {
  const postmaster = findPostmaster(cluster());
  if (postmaster === undefined) throw new Error('no server is running');
  return postmaster;
}

/** The server as it was before. */
function killServer(): Postmaster {
  const postmaster = server();
  process.kill(postmaster.identity.pid, 'SIGKILL');
  return postmaster;
}

let keys = 0;

/** What becomes of a new payment within a second: its status, or why there is none. */
async function pay({ url }: LastroProcess): Promise<string> {
  try {
    const answer = await http(`${url}/v1/payments`, {
      headers: { 'idempotency-key': `outage-${++keys}`, prefer: 'wait=1' },
      body: paymentFrom('payer-0'),
      timeoutMs: 2000,
    });
    return String(answer.json()['status']);
  } catch (error) {
    return String(error);
  }
}

/** Payments that were promised and are not completed, and what else does not agree with the logs. */
async function losses(): Promise<string[]> {
  const opened = await openEmbeddedPostgres({ dataDir });
  const client = new Client({ connectionString: opened.url });
  await client.connect();
  try {
    const unfinished = `select id from payments.payments where status <> 'completed'`;
    await expect.poll(async () => (await client.query(unfinished)).rowCount, DRAIN).toBe(0);
    const { rows } = await client.query<{ id: string }>('select id from payments.payments');
    const completed = new Set<string>(rows.map(({ id }) => idOf('pay', id)));
    const report = await verify({ url: opened.url });
    return [
      ...[...payers.accepted].filter(([, id]) => !completed.has(id)).map(([key, id]) => `${key}: ${id}`),
      ...payers.contradictions,
      ...report.checks.flatMap(({ findings }) => findings.map((finding) => JSON.stringify(finding))),
    ];
  } finally {
    await client.end();
    await opened.close();
  }
}

test('a server killed with −9 under the only process runs again within 15 s, on its port, and says so', async () => {
  const alone = await start();
  const wallets = await openWallets(alone.url, 4);
  payers = new Payers({ urls: () => [...live].map(({ url }) => url), wallets });
  await expect.poll(() => payers.accepted.size, OUTAGE).toBeGreaterThan(50);
  const killed = killServer();
  await expect.poll(() => pay(alone), OUTAGE).toBe('completed');
  expect(server()).toMatchObject({ port: killed.port, status: 'ready' });
  expect(isAlive(killed.identity)).toBe(false);
  expect(alone.output()).toMatch(/the embedded PostgreSQL has ended/);
  await expect.poll(alone.output, OUTAGE).toMatch(/the embedded PostgreSQL runs again/);
});

test('E1: under two processes whoever sees it first starts it, and both go on', async () => {
  await start();
  const restarts = () => [...live].flatMap(({ output }) => output().match(/PostgreSQL runs again/g) ?? []);
  const before = restarts().length;
  const killed = killServer();
  for (const process of live) await expect.poll(() => pay(process), OUTAGE).toBe('completed');
  // A process that looks only when it runs again has nothing to tell.
  await expect.poll(() => restarts().length, OUTAGE).toBeGreaterThan(before);
  expect(server().port).toBe(killed.port);
  expect(isAlive(killed.identity)).toBe(false);
});

test('nothing that was accepted is lost', async () => {
  await payers.stop();
  expect(await losses()).toEqual([]);
});

test('E2: in an ordered end the last one out stops the server, and nobody starts it again', async () => {
  const processes = [...live];
  for (const process of processes) process.kill('SIGTERM');
  const ends = await Promise.all(processes.map(({ ended }) => ended));
  expect(ends.map(({ code }) => code)).toEqual([0, 0]);
  expect(findPostmaster(cluster())).toBeUndefined();
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  'E2: %s during the start ends it in order, and no server is left behind',
  async (signal) => {
    const end = await runAndSignal(['start'], { DATA_DIR: dataDir }, signal);
    expect(end).toMatchObject({ code: 0, signal: null });
    expect(findPostmaster(cluster())).toBeUndefined();
  },
);
