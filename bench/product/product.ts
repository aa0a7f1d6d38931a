/** One running process of the product, its address, its key, and how it is stopped. */
import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import type { Cleanup } from './cleanup.ts';
import { type Installation, runLastro, spawnLastro } from './lastro-command.ts';

const START_TIMEOUT_MS = 120_000;
/** Finishing what is in flight takes at most 20 s, stopping PostgreSQL a checkpoint. */
const STOP_TIMEOUT_MS = 90_000;
const KEY_TIMEOUT_MS = 60_000;
const READY = /ready at (http:\/\/\S+)/;
const API_KEY = /^lk_\S+$/m;

export interface Product {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves with the exit status: 0 when it finished in order, null when it had to be killed. */
  stop(): Promise<number | null>;
}

/** Starts the product and waits until it takes requests. Its log goes to a file. */
export async function startProduct(
  installation: Installation,
  { logPath, cleanup }: { logPath: string; cleanup: Cleanup },
): Promise<Product> {
  const child = spawnLastro(installation, ['start']);
  const exited = new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('exit', (code) => resolve(code));
  });
  const stop = stopOnce(child, exited);
  cleanup.add(async () => void (await stop()));
  const log = createWriteStream(logPath);
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const url = new URL(await addressOf(child, logPath));
  return { url: url.origin, host: url.hostname, port: Number(url.port), pid: child.pid ?? 0, stop };
}

/** A key of a tenant of the bench's own: the runs are authenticated like any caller's. */
export async function createApiKey(installation: Installation): Promise<string> {
  const args = ['keys', 'create', '--tenant', 'bench', '--name', 'bench', '--scopes', '*'];
  const { status, stdout, stderr } = await runLastro(installation, args, { timeoutMs: KEY_TIMEOUT_MS });
  const [key] = API_KEY.exec(stdout) ?? [];
  if (status !== 0 || key === undefined) throw new Error(`no API key could be created: ${stderr}`);
  return key;
}

function addressOf(child: ChildProcess, logPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the product was not ready in time: see ${logPath}`)),
      START_TIMEOUT_MS,
    );
    let seen = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      seen += bytes.toString();
      const [, url] = READY.exec(seen) ?? [];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
    child.once('exit', (status) => {
      clearTimeout(timer);
      reject(new Error(`the product ended with status ${status} before it was ready: ${seen.trim()}`));
    });
  });
}

function stopOnce(child: ChildProcess, exited: Promise<number | null>): () => Promise<number | null> {
  let stopping: Promise<number | null> | undefined;
  return () => {
    stopping ??= (async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      const status = await exited;
      clearTimeout(timer);
      return status;
    })();
    return stopping;
  };
}
