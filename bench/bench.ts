/** The bench from beginning to end: prepare, load, compare, verify. What it starts is ended however it ends. */
import { join, resolve } from 'node:path';
import pg from 'pg';
import { SCENARIOS } from './chapters.ts';
import { describeDatabase, describeMachine, describeRevision } from './measure/machine.ts';
import { Progress } from './measure/progress.ts';
import { faultsOfMeasurements, measure } from './measurements.ts';
import type { BenchOptions } from './options.ts';
import type { Cleanup } from './product/cleanup.ts';
import { runLastro } from './product/lastro-command.ts';
import { makeScratchFolder, removeScratchFolder, stopOrphanedServer } from './product/scratch-folder.ts';
import type { BenchReport } from './report.ts';
import { type Stage, setUp } from './stage.ts';
import { runPeer, runPlainSql, type YardstickContext } from './yardsticks/yardstick-run.ts';

const NO_YARDSTICKS = { plainSql: undefined, peer: undefined };
/** Millions of payments are recomputed. */
const VERIFY_TIMEOUT_MS = 3600 * 1000;

export async function runBench(
  options: BenchOptions,
  { root, resultsDir, name, cleanup }: { root: string; resultsDir: string; name: string; cleanup: Cleanup },
): Promise<BenchReport> {
  const progress = new Progress();
  const dataDir = openDataFolder(options, { resultsDir, name, cleanup });
  const logPath = join(resultsDir, name);
  const needsProviders = SCENARIOS.some(
    (scenario) => scenario.needsProviders === true && options.scenarios.includes(scenario.name),
  );
  const stage = await setUp({ options, needsProviders, root, dataDir, progress, cleanup, logPath });
  const described = await describe(stage);
  const { failure, ...measured } = await measure(stage);
  const yardsticks = failure === undefined ? await compare(stage) : NO_YARDSTICKS;
  progress.step('stopping');
  const stopStatus = await stage.product.stop();
  progress.step('verifying');
  const verify = await runVerify(stage);
  const faults = [
    ...faultsOfMeasurements({ ...measured, failure }, { strict: options.quick }),
    ...(stopStatus === 0 ? [] : [`the product ended with status ${stopStatus} when asked to stop`]),
    ...(verify.status === 0 ? [] : [`verify ended with status ${verify.status}`]),
  ];
  return {
    at: new Date().toISOString(),
    options: { ...options, databaseUrl: options.databaseUrl === undefined ? undefined : 'given' },
    ...described,
    ...measured,
    ...yardsticks,
    verify,
    faults,
  };
}

function openDataFolder(
  options: BenchOptions,
  { resultsDir, name, cleanup }: { resultsDir: string; name: string; cleanup: Cleanup },
): string {
  if (options.dataDir !== undefined) return resolve(options.dataDir);
  const folder = makeScratchFolder(resultsDir, name);
  cleanup.add(async () => {
    await stopOrphanedServer(folder);
    removeScratchFolder(folder);
  });
  return folder;
}

async function describe({ root, dataDir, options, serverUrl }: Stage) {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    return {
      machine: describeMachine(options.databaseUrl === undefined ? dataDir : undefined),
      database: await describeDatabase(client),
      revision: describeRevision(root),
    };
  } finally {
    await client.end();
  }
}

async function compare(stage: Stage): Promise<Pick<BenchReport, 'plainSql' | 'peer'>> {
  const { options, root, serverUrl, progress, context } = stage;
  const { wallets, services, seed, plainSqlPayments } = options;
  const yardstick: YardstickContext = {
    root,
    serverUrl,
    postmaster: context.pids.postmaster,
    wallets,
    services,
  };
  let plainSql: BenchReport['plainSql'];
  let peer: BenchReport['peer'];
  if (plainSqlPayments > 0) {
    progress.step('yardstick: plain SQL');
    plainSql = await runPlainSql(yardstick, { payments: plainSqlPayments, seed });
  }
  if (options.peers) {
    progress.step('yardstick: DBOS Transact');
    peer = await runPeer(yardstick, { seconds: Math.min(options.seconds, 30) });
  }
  return { plainSql, peer };
}

async function runVerify({ installation, progress }: Stage) {
  const { status, stdout, stderr } = await runLastro(installation, ['verify'], {
    timeoutMs: VERIFY_TIMEOUT_MS,
    onLine: (text) => progress.update(text),
  });
  return { status, output: `${stdout}${stderr}`.trim() };
}
