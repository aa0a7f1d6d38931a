/** What a run of the bench works on: the product, its accounts, and beside it the providers that its payments go to. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Progress } from './measure/progress.ts';
import { findPostmasterPid } from './measure/usage-meter.ts';
import type { BenchOptions } from './options.ts';
import { prepareAccounts } from './product/accounts.ts';
import { Api } from './product/api.ts';
import type { Cleanup } from './product/cleanup.ts';
import type { Installation } from './product/lastro-command.ts';
import { createApiKey, type Product, startProduct } from './product/product.ts';
import { writeProvidersFile } from './product/providers-file.ts';
import { type SandboxProvider, startSandboxProvider } from './product/sandbox-provider.ts';
import type { ScenarioContext } from './scenario.ts';

const HOST = '127.0.0.1';
/** In the order in which payments are sent to them. */
const PROVIDERS = ['alfa', 'beta'] as const;
/** What the figures of payments by providers are stated for. */
export const PROVIDER_LATENCY_MS = 100;

export interface Stage {
  readonly root: string;
  readonly options: BenchOptions;
  readonly installation: Installation;
  readonly dataDir: string;
  readonly apiKey: string;
  readonly serverUrl: string;
  /** Of its product, without its ending. */
  readonly logPath: string;
  readonly cleanup: Cleanup;
  /** Another one after `restartProduct`. */
  product: Product;
  context: ScenarioContext;
  /** None where no scenario needs them. */
  readonly providers: readonly SandboxProvider[];
  readonly progress: Progress;
  /** Runs so far: each has its own random numbers, or its keys would be replays. */
  runs: number;
  /** Payments accepted so far. */
  stored: number;
}

export interface StageOptions {
  readonly options: BenchOptions;
  readonly needsProviders: boolean;
  readonly root: string;
  readonly dataDir: string;
  readonly progress: Progress;
  readonly cleanup: Cleanup;
  /** Without its ending: the product's log, and one for each provider. */
  readonly logPath: string;
}

export async function setUp(given: StageOptions): Promise<Stage> {
  const { options, root, dataDir, progress, cleanup, logPath } = given;
  const settings = settingsOf(options, dataDir);
  progress.step('creating the database and an API key');
  const apiKey = await createApiKey({ root, settings });
  const { providers, ...providerSettings } = await startProviders(given, { root, settings });
  const installation: Installation = { root, settings: { ...settings, ...providerSettings.settings } };
  progress.step('starting the product');
  const product = await startProduct(installation, { logPath: `${logPath}.log`, cleanup });
  const context = contextOf({ product, apiKey, dataDir, providers, progress });
  progress.step('opening and funding accounts');
  await prepareAccounts(context.api, options, (text) => progress.update(text));
  return {
    root,
    options,
    installation,
    dataDir,
    apiKey,
    serverUrl: options.databaseUrl ?? embeddedUrl(dataDir),
    logPath,
    cleanup,
    product,
    context,
    providers,
    progress,
    runs: 0,
    stored: 0,
  };
}

function contextOf(
  stage: Pick<Stage, 'product' | 'apiKey' | 'dataDir' | 'providers' | 'progress'>,
): ScenarioContext {
  const { product, apiKey, dataDir, providers, progress } = stage;
  return {
    api: new Api({ url: product.url, key: apiKey }),
    pids: {
      node: product.pid,
      postmaster: findPostmasterPid(dataDir),
      providers: providers.map(({ pid }) => pid),
    },
    onProgress: (text) => progress.update(text),
  };
}

/**
 * The product started anew with other settings beside its own, on the same data. The new one is there before the old one
 * goes, so the embedded PostgreSQL runs on, with what it has in memory.
 */
export async function restartProduct(
  stage: Stage,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const installation = {
    ...stage.installation,
    // The old one is still at its port.
    settings: { ...stage.installation.settings, LASTRO_PORT: '0', ...settings },
  };
  const { logPath, cleanup } = stage;
  const product = await startProduct(installation, { logPath: `${logPath}.log`, cleanup });
  const status = await stage.product.stop();
  if (status !== 0) throw new Error(`the product ended with status ${status} when asked to stop`);
  stage.product = product;
  stage.context = contextOf(stage);
}

/** Production mode: every request is authenticated, there is no tenant without a key. */
function settingsOf({ databaseUrl }: BenchOptions, dataDir: string): Record<string, string> {
  return {
    LASTRO_MODE: 'production',
    LASTRO_HOST: HOST,
    LASTRO_PORT: '0',
    LASTRO_DATA_DIR: dataDir,
    ...(databaseUrl === undefined
      ? {}
      : {
          LASTRO_DATABASE_URL: databaseUrl,
          LASTRO_SIGNING_KEY_FILE: writeSigningKey(dataDir),
          LASTRO_SECRET_KEY: randomBytes(32).toString('base64'),
        }),
  };
}

/** On a database of its user's own, the product makes no key by itself. */
function writeSigningKey(dataDir: string): string {
  mkdirSync(dataDir, { recursive: true });
  const file = join(dataDir, 'bench-signing-key.pem');
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return file;
}

/** With the settings by which the product finds them, and is found by them: they have to know where it will listen. */
async function startProviders(
  { needsProviders, dataDir, progress, cleanup, logPath }: StageOptions,
  installation: Installation,
): Promise<{ providers: readonly SandboxProvider[]; settings: Record<string, string> }> {
  if (!needsProviders) return { providers: [], settings: {} };
  progress.step('starting payment providers');
  const port = await findFreePort();
  const providers = await Promise.all(
    PROVIDERS.map((name) =>
      startSandboxProvider(installation, {
        name,
        latencyMs: PROVIDER_LATENCY_MS,
        callbackUrl: `http://${HOST}:${port}/v1/provider-callbacks/${name}`,
        dataDir,
        logPath: `${logPath}.${name}.log`,
        cleanup,
      }),
    ),
  );
  const file = join(dataDir, 'bench-providers.json');
  writeProvidersFile(file, providers);
  return { providers, settings: { LASTRO_PORT: String(port), LASTRO_PROVIDERS_FILE: file } };
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Where the embedded server of a data folder listens, and the password it was made with (its two files). */
function embeddedUrl(dataDir: string): string {
  const read = (name: string) => readFileSync(join(dataDir, 'postgres', name), 'utf8').trim();
  return `postgres://lastro:${read('password')}@${HOST}:${read('port')}/lastro`;
}
