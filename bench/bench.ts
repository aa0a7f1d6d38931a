/** The bench from beginning to end: prepare, load, compare, verify. What it starts is ended however it ends. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import pg from 'pg';
import type { LoadPlan } from './load/load-plan.ts';
import { describeDatabase, describeMachine, describeRevision } from './measure/machine.ts';
import { Progress } from './measure/progress.ts';
import { findPostmasterPid } from './measure/usage-meter.ts';
import type { BenchOptions, ScenarioName } from './options.ts';
import { prepareAccounts } from './product/accounts.ts';
import { Api } from './product/api.ts';
import type { Cleanup } from './product/cleanup.ts';
import { type Installation, runLastro } from './product/lastro-command.ts';
import { createApiKey, type Product, startProduct } from './product/product.ts';
import { makeScratchFolder, removeScratchFolder, stopOrphanedServer } from './product/scratch-folder.ts';
import type { BenchReport, CostPoint } from './report.ts';
import { faultsOf, runScenario, type ScenarioContext, type ScenarioReport } from './scenario.ts';
import { checkpoint } from './yardsticks/yardstick-database.ts';
import { runPeer, runPlainSql, type YardstickContext } from './yardsticks/yardstick-run.ts';

const HOST = '127.0.0.1';
/** Beside the others, waiting for final states: 1 % of an open loop's requests, each for as long as a payment takes. */
const WAITING_CONNECTIONS = { open: 64, closed: 2 } as const;
const WARM_UP_MS = { full: 5000, quick: 1000 } as const;
/** The lower point of the comparison by stored payments. */
const FEW_STORED = 10_000;
const COST_MS = { full: 20_000, quick: 2000 } as const;
/** Filling is bounded by its count; this is for a product that has stopped accepting. */
const FILL_TIMEOUT_MS = 6 * 3600 * 1000;
/** Millions of payments are recomputed. */
const VERIFY_TIMEOUT_MS = 3600 * 1000;

interface Stage {
  readonly root: string;
  readonly options: BenchOptions;
  readonly installation: Installation;
  readonly dataDir: string;
  readonly product: Product;
  readonly apiKey: string;
  readonly serverUrl: string;
  readonly context: ScenarioContext;
  readonly progress: Progress;
  /** Runs so far: each has its own random numbers, or its keys would be replays. */
  runs: number;
  /** Payments accepted so far. */
  stored: number;
}

export async function runBench(
  options: BenchOptions,
  { root, resultsDir, name, cleanup }: { root: string; resultsDir: string; name: string; cleanup: Cleanup },
): Promise<BenchReport> {
  const progress = new Progress();
  const dataDir = openDataFolder(options, { resultsDir, name, cleanup });
  const stage = await setUp({
    options,
    root,
    dataDir,
    progress,
    cleanup,
    logPath: join(resultsDir, `${name}.log`),
  });
  const described = await describe(stage);
  const { scenarios, costs } = await measure(stage);
  const yardsticks = await compare(stage);
  progress.step('stopping');
  const stopStatus = await stage.product.stop();
  progress.step('verifying');
  const verify = await runVerify(stage);
  const strict = { strict: options.quick };
  const faults = [
    ...[...scenarios, ...costs.map(({ scenario }) => scenario)].flatMap((scenario) =>
      faultsOf(scenario, strict),
    ),
    ...(stopStatus === 0 ? [] : [`the product ended with status ${stopStatus} when asked to stop`]),
    ...(verify.status === 0 ? [] : [`verify ended with status ${verify.status}`]),
  ];
  return {
    at: new Date().toISOString(),
    options: { ...options, databaseUrl: options.databaseUrl === undefined ? undefined : 'given' },
    ...described,
    scenarios,
    costs,
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

async function setUp(given: {
  options: BenchOptions;
  root: string;
  dataDir: string;
  progress: Progress;
  cleanup: Cleanup;
  logPath: string;
}): Promise<Stage> {
  const { options, root, dataDir, progress, cleanup, logPath } = given;
  const installation: Installation = { root, settings: settingsOf(options, dataDir) };
  progress.step('creating the database and an API key');
  const apiKey = await createApiKey(installation);
  progress.step('starting the product');
  const product = await startProduct(installation, { logPath, cleanup });
  const api = new Api({ url: product.url, key: apiKey });
  progress.step('opening and funding accounts');
  await prepareAccounts(api, options, (text) => progress.update(text));
  const pids = { node: product.pid, postmaster: findPostmasterPid(dataDir) };
  const context = { api, pids, onProgress: (text: string) => progress.update(text) };
  const serverUrl = options.databaseUrl ?? embeddedUrl(dataDir);
  return {
    root,
    options,
    installation,
    dataDir,
    product,
    apiKey,
    serverUrl,
    context,
    progress,
    runs: 0,
    stored: 0,
  };
}

/** Production mode: every request is authenticated, there is no tenant without a key. */
function settingsOf({ databaseUrl }: BenchOptions, dataDir: string): Record<string, string> {
  return {
    LASTRO_MODE: 'production',
    LASTRO_HOST: HOST,
    LASTRO_PORT: '0',
    LASTRO_DATA_DIR: dataDir,
    ...(databaseUrl === undefined ? {} : { LASTRO_DATABASE_URL: databaseUrl }),
  };
}

/** Where the embedded server of a data folder listens, and the password it was made with (its two files). */
function embeddedUrl(dataDir: string): string {
  const read = (name: string) => readFileSync(join(dataDir, 'postgres', name), 'utf8').trim();
  return `postgres://lastro:${read('password')}@${HOST}:${read('port')}/lastro`;
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

async function measure(stage: Stage): Promise<{ scenarios: ScenarioReport[]; costs: CostPoint[] }> {
  const { options, progress } = stage;
  const { fill } = options;
  const scenarios: ScenarioReport[] = [];
  const costs: CostPoint[] = [];
  progress.step('warming up');
  await load(stage, 'warm-up', { durationMs: options.quick ? WARM_UP_MS.quick : WARM_UP_MS.full });
  if (fill !== undefined) costs.push(await measureCost(stage, FEW_STORED));
  for (const name of options.scenarios) {
    progress.step(`measuring: ${name}`);
    scenarios.push(await load(stage, name, planOf(name, options)));
  }
  if (fill !== undefined) costs.push(await measureCost(stage, fill));
  return { scenarios, costs };
}

/** The cost of a payment when at least so many are stored. */
async function measureCost(stage: Stage, storedPayments: number): Promise<CostPoint> {
  const missing = storedPayments - stage.stored;
  if (missing > 0) {
    stage.progress.step(`storing ${missing} payments`);
    await load(stage, 'fill', { durationMs: FILL_TIMEOUT_MS, maxRequests: missing, waitingConnections: 0 });
  }
  const point = stage.stored;
  stage.progress.step(`measuring the cost of a payment at ${point} stored ones`);
  const durationMs = stage.options.quick ? COST_MS.quick : COST_MS.full;
  return { storedPayments: point, scenario: await load(stage, `at ${point} stored`, { durationMs }) };
}

function planOf(name: ScenarioName, options: BenchOptions): Partial<LoadPlan> {
  const plans: Readonly<Record<ScenarioName, Partial<LoadPlan>>> = {
    uniform: {},
    hot: { services: 1 },
    open: { ratePerSecond: options.rate, waitingConnections: WAITING_CONNECTIONS.open },
  };
  return plans[name];
}

async function load(stage: Stage, name: string, plan: Partial<LoadPlan>): Promise<ScenarioReport> {
  const { options, product, apiKey } = stage;
  await checkpoint(stage.serverUrl);
  stage.runs += 1;
  const report = await runScenario(stage.context, name, {
    host: product.host,
    port: product.port,
    apiKey,
    wallets: options.wallets,
    services: options.services,
    seed: options.seed + stage.runs,
    durationMs: options.seconds * 1000,
    connections: options.connections,
    ratePerSecond: null,
    waitingConnections: WAITING_CONNECTIONS.closed,
    maxRequests: null,
    ...plan,
  });
  stage.stored += report.load.accepted;
  return report;
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
