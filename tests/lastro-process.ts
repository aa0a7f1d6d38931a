/** A real process of the product, started by its command, over a database or a data folder of a test's own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const START_TIMEOUT_MS = 30_000;
/** A process finds a free port before it listens there. */
const PORT_TAKEN = 'is taken by another program: end that one';

export interface LastroProcess {
  readonly url: string;
  readonly pid: number;
  /** What it has written so far, for the message of a test that fails. */
  readonly output: () => string;
  kill(signal: NodeJS.Signals): void;
  /** Nobody reads what it writes any more. */
  stopReading(): void;
  /** Resolves when it has ended, by itself or by a signal. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/**
 * Resolves when it takes requests. `settings` are LASTRO_ variables without the prefix; the port is a free one. `log`: a file
 * descriptor that its log goes to.
 */
export async function startLastroProcess(
  settings: Readonly<Record<string, string>>,
  log: 'pipe' | number = 'pipe',
): Promise<LastroProcess> {
  try {
    return await tryToStart(settings, log);
  } catch (error) {
    // Another test's process was faster.
    if (settings['PORT'] === undefined && String(error).includes(PORT_TAKEN))
      return tryToStart(settings, log);
    throw error;
  }
}

async function tryToStart(
  settings: Readonly<Record<string, string>>,
  log: 'pipe' | number,
): Promise<LastroProcess> {
  const { child, output } = spawnLastro(['start'], { PORT: '0', LOG_LEVEL: 'warn', ...settings }, log);
  const ended = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  const url = await readyUrl(child, output);
  return {
    url,
    pid: child.pid ?? 0,
    output,
    ended,
    kill: (signal) => void child.kill(signal),
    stopReading: () => {
      child.stdout?.destroy();
      child.stderr.destroy();
    },
  };
}

/** Starts a command and sends the signal as soon as it says anything; how it ended. */
export async function runAndSignal(
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
  signal: NodeJS.Signals,
): Promise<{
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}> {
  const { child, output } = spawnLastro(args, { PORT: '0', LOG_LEVEL: 'warn', ...settings });
  const ended = once(child, 'exit');
  await once(child.stderr, 'data');
  child.kill(signal);
  const [code, by] = (await ended) as [number | null, NodeJS.Signals | null];
  return { code, signal: by, output: output() };
}

/** Runs a command to its end and gives what it wrote to standard output. */
export async function runLastro(
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
  stdout: 'pipe' | number = 'pipe',
): Promise<string> {
  const { child, output } = spawnLastro(args, settings, stdout);
  let answer = '';
  child.stdout?.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`lastro ${args.join(' ')} ended with ${code}:\n${output()}`);
  return answer.trim();
}

type LastroChild = ChildProcessByStdio<null, Readable | null, Readable>;

function spawnLastro(
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
  log: 'pipe' | number = 'pipe',
): { child: LastroChild; output: () => string } {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('LASTRO_'));
  const own = Object.entries(settings).map(([name, value]) => [`LASTRO_${name}`, value]);
  const child = spawn(process.execPath, ['src/cli/lastro.ts', ...args], {
    cwd: ROOT,
    env: Object.fromEntries([...inherited, ...own]) as NodeJS.ProcessEnv,
    stdio: ['ignore', log, 'pipe'],
  }) as LastroChild;
  let written = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (written += chunk.toString()));
  return { child, output: () => written };
}

const READY = /Lastro is ready at (http:\/\/\S+)/;

async function readyUrl(child: LastroChild, output: () => string): Promise<string> {
  const waiting = new AbortController();
  const giveUp = (): void => waiting.abort();
  const timer = setTimeout(giveUp, START_TIMEOUT_MS);
  child.once('close', giveUp);
  try {
    for (;;) {
      const url = READY.exec(output())?.[1];
      if (url !== undefined) return url;
      await once(child.stderr, 'data', { signal: waiting.signal });
    }
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`lastro did not start:\n${output()}`, { cause: error });
  } finally {
    clearTimeout(timer);
    child.off('close', giveUp);
  }
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of a JSON body. */
  readonly json: () => Record<string, unknown>;
}

export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, or as it is if a string. */
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

/** One request; rejects only if no answer came. */
export async function http(url: string, request: HttpRequest = {}): Promise<HttpAnswer> {
  const { body, headers = {}, timeoutMs = 10_000 } = request;
  const answer = await fetch(url, {
    method: request.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    signal: AbortSignal.timeout(timeoutMs),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    json: () => JSON.parse(text) as Record<string, unknown>,
  };
}
