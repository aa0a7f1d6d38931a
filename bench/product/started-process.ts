/** A process that says where it listens: waited for until it does, its output kept in a file, stopped in order. */
import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import type { Cleanup } from './cleanup.ts';

const START_TIMEOUT_MS = 120_000;
/** Finishing what is in flight takes at most 20 s, stopping PostgreSQL a checkpoint. */
const STOP_TIMEOUT_MS = 90_000;

export interface StartedProcess {
  readonly url: string;
  readonly pid: number;
  /** Resolves with the exit status: 0 when it finished in order, null when it had to be killed. */
  stop(): Promise<number | null>;
}

export interface StartOptions {
  /** `the product` */
  readonly what: string;
  /** What it prints to standard error when it is there; its first group is the address. */
  readonly ready: RegExp;
  readonly logPath: string;
  readonly cleanup: Cleanup;
}

export async function untilStarted(child: ChildProcess, options: StartOptions): Promise<StartedProcess> {
  const exited = new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('exit', (code) => resolve(code));
  });
  const stop = stopOnce(child, exited);
  options.cleanup.add(async () => void (await stop()));
  // A product that is started anew goes on in the same file.
  const log = createWriteStream(options.logPath, { flags: 'a' });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  return { url: await addressOf(child, options), pid: child.pid ?? 0, stop };
}

function addressOf(child: ChildProcess, { what, ready, logPath }: StartOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${what} was not ready in time: see ${logPath}`)),
      START_TIMEOUT_MS,
    );
    let seen = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      seen += bytes.toString();
      const [, url] = ready.exec(seen) ?? [];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
    child.once('exit', (status) => {
      clearTimeout(timer);
      reject(new Error(`${what} ended with status ${status} before it was ready: ${seen.trim()}`));
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
