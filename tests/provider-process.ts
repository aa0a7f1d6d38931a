/** A real process of the sandbox provider, on a book of its own, and who takes its callbacks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type HttpAnswer, type HttpRequest, http } from './lastro-process.ts';

const SCRIPT = fileURLToPath(new URL('../sandbox/provider/main.ts', import.meta.url));

export const PROVIDER_KEY = 'key-of-the-test';
export const PROVIDER_SECRET = `whsec_${randomBytes(32).toString('base64')}`;

/** A folder with one book: processes on it follow each other. */
export class ProviderHome {
  readonly folder = mkdtempSync(join(tmpdir(), 'lastro-provider-'));
  readonly book = join(this.folder, 'book.jsonl');
  readonly #processes: ProviderProcess[] = [];

  /** @param options of its command line: `'--callback-url': …` */
  async start(options: Readonly<Record<string, string>> = {}): Promise<ProviderProcess> {
    const args = Object.entries({ '--name': 'alfa', '--book': this.book, ...options }).flat();
    const child = spawn(process.execPath, [SCRIPT, ...args], {
      env: { SANDBOX_PROVIDER_API_KEY: PROVIDER_KEY, SANDBOX_PROVIDER_WEBHOOK_SECRET: PROVIDER_SECRET },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const started = new ProviderProcess(child, await readUrl(child));
    this.#processes.push(started);
    return started;
  }

  async remove(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.end('SIGKILL')));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class ProviderProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#ended = once(child, 'exit');
    this.url = url;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call(path: string, request: HttpRequest = {}): Promise<HttpAnswer> {
    const headers = { authorization: `Bearer ${PROVIDER_KEY}`, ...request.headers };
    return http(`${this.url}${path}`, { ...request, headers });
  }

  /** 12.30 USD if nothing else is said. */
  charge(
    key: string,
    change: Readonly<Record<string, unknown>> = {},
    timeoutMs = 10_000,
  ): Promise<HttpAnswer> {
    const body = { reference: `ref-${key}`, amount: 1230, currency: 'USD', ...change };
    return this.call('/charges', { headers: { 'idempotency-key': key }, body, timeoutMs });
  }

  refund(key: string, charge: string, change: Readonly<Record<string, unknown>> = {}): Promise<HttpAnswer> {
    const body = { charge, reference: `ref-${key}`, amount: 1230, currency: 'USD', ...change };
    return this.call('/refunds', { headers: { 'idempotency-key': key }, body });
  }

  inquire(key: string): Promise<HttpAnswer> {
    return this.call(`/charges/${key}`);
  }

  void(key: string): Promise<HttpAnswer> {
    return this.call(`/charges/${key}/void`, { method: 'POST' });
  }

  async misbehave(behaviour: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const answer = await this.call('/behaviours', { body: { behaviour, ...more } });
    if (answer.status !== 201) throw new Error(`${behaviour}: ${answer.text}`);
  }

  /** @returns its exit code, null when the signal ended it */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    const [code] = (await this.#ended) as [number | null];
    return code;
  }
}

async function readUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null || child.stderr === null) throw new Error('no output');
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const line = once(createInterface(child.stdout), 'line');
  const [first] = (await Promise.race([line, once(child, 'close')])) as unknown[];
  const url = /listens on (http:\S+)/.exec(String(first))?.[1];
  if (url === undefined) throw new Error(`the provider did not start: ${errors}`);
  return url;
}
