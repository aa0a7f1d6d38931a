/** One running process of the product, its address, its key, and how it is stopped. */
import type { Cleanup } from './cleanup.ts';
import { type Installation, runLastro, spawnLastro } from './lastro-command.ts';
import { type StartedProcess, untilStarted } from './started-process.ts';

const KEY_TIMEOUT_MS = 60_000;
const READY = /ready at (http:\/\/\S+)/;
const API_KEY = /^lk_\S+$/m;

/** `url`: `http://127.0.0.1:<port>` */
export interface Product extends StartedProcess {
  readonly host: string;
  readonly port: number;
}

/** Starts the product and waits until it takes requests. Its log goes to a file. */
export async function startProduct(
  installation: Installation,
  { logPath, cleanup }: { logPath: string; cleanup: Cleanup },
): Promise<Product> {
  const child = spawnLastro(installation, ['start']);
  const started = await untilStarted(child, { what: 'the product', ready: READY, logPath, cleanup });
  const { origin, hostname, port } = new URL(started.url);
  return { ...started, url: origin, host: hostname, port: Number(port) };
}

/** A key of a tenant of the bench's own: the runs are authenticated like any caller's. */
export async function createApiKey(installation: Installation, tenant = 'bench'): Promise<string> {
  const args = ['keys', 'create', '--tenant', tenant, '--name', 'bench', '--scopes', '*'];
  const { status, stdout, stderr } = await runLastro(installation, args, { timeoutMs: KEY_TIMEOUT_MS });
  const [key] = API_KEY.exec(stdout) ?? [];
  if (status !== 0 || key === undefined) throw new Error(`no API key could be created: ${stderr}`);
  return key;
}
