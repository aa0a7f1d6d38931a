/** Runs the yardsticks, each in a process and a database of its own on the server that the product runs on. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endWithUs } from '../product/end-with-us.ts';
import type { PlainSqlJob, PlainSqlResult } from './plain-sql.ts';
import { checkpoint, createDatabase, dropDatabase, prepareSchema } from './yardstick-database.ts';

const PLAIN_SQL_PROGRAM = fileURLToPath(new URL('./plain-sql-program.ts', import.meta.url));
const PEER_FOLDER = fileURLToPath(new URL('../peers/dbos/', import.meta.url));
const PLAIN_SQL_DATABASE = 'lastro_bench_plain_sql';
const PEER_DATABASE = 'lastro_bench_peer';
const TIMEOUT_MS = 600_000;
/** In flight at once; each is tried and the best measured. */
const PEER_CONCURRENCIES = [32, 64, 128];

export interface YardstickContext {
  readonly root: string;
  readonly serverUrl: string;
  readonly postmaster: number | undefined;
  readonly wallets: number;
  readonly services: number;
}

export interface Yardstick {
  readonly payments: number;
  readonly perSecond: number;
  readonly postgresCpuUsPerPayment: number | null;
}

export interface PeerYardstick extends Pick<Yardstick, 'payments' | 'perSecond'> {
  /** Payments in flight at its best. */
  readonly concurrency: number;
}

export async function runPlainSql(
  context: YardstickContext,
  { payments, seed }: { payments: number; seed: number },
): Promise<Yardstick> {
  const { serverUrl } = context;
  const url = await createDatabase(serverUrl, PLAIN_SQL_DATABASE);
  try {
    await checkpoint(serverUrl);
    const { root, postmaster, wallets, services } = context;
    const job: PlainSqlJob = { url, root, payments, wallets, services, seed, postmaster };
    const result = await runJson<PlainSqlResult>([PLAIN_SQL_PROGRAM, JSON.stringify(job)], root);
    const { perSecond, postgresCpuUsPerPayment } = result;
    return { payments: result.payments, perSecond, postgresCpuUsPerPayment };
  } finally {
    await dropDatabase(serverUrl, PLAIN_SQL_DATABASE);
  }
}

export async function runPeer(
  context: YardstickContext,
  { seconds }: { seconds: number },
): Promise<PeerYardstick> {
  await installPeer();
  const { root, serverUrl, wallets, services } = context;
  const url = await createDatabase(serverUrl, PEER_DATABASE);
  try {
    await prepareSchema(url, { root, wallets, services });
    await checkpoint(serverUrl);
    const job = { url, seconds, wallets, services, concurrencies: PEER_CONCURRENCIES };
    const { payments, perSecond, concurrency } = await runJson<PeerYardstick>(
      ['--no-deprecation', 'peer.mjs', JSON.stringify(job)],
      PEER_FOLDER,
    );
    return { payments, perSecond, concurrency };
  } finally {
    await dropDatabase(serverUrl, PEER_DATABASE);
  }
}

/** From its own lockfile, once: the product neither needs nor ships it. */
async function installPeer(): Promise<void> {
  const wanted = JSON.parse(readFileSync(join(PEER_FOLDER, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const [name = '', version] = Object.entries(wanted.dependencies)[0] ?? [];
  const manifest = join(PEER_FOLDER, 'node_modules', name, 'package.json');
  if (existsSync(manifest)) {
    const installed = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    if (installed.version === version) return;
  }
  await run('npm', ['ci', '--no-audit', '--no-fund'], PEER_FOLDER);
}

async function runJson<Result>(args: readonly string[], cwd: string): Promise<Result> {
  return JSON.parse(await run(process.execPath, args, cwd)) as Result;
}

/** Standard output of a program that ended well; what it says on standard error is the reason when it did not. */
function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  // The pinned Node first: npm and what it starts must not fall back to another one.
  const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  endWithUs(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(stdout);
      else reject(new Error(`${program} ${args[0] ?? ''} ended with status ${status}: ${stderr.trim()}`));
    });
  });
}
