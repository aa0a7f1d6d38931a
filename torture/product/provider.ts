/** A payment provider of the sandbox: a program of its own, told to misbehave, its book read (docs/sandbox-providers.md). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BookEntry } from '../history/history.ts';
import type { Misbehaviour } from '../plan/misbehaviours.ts';
import { Program } from './program.ts';

const TIMEOUT_MS = 3000;
/** One that was killed or stopped is there again by then. */
const ANSWERED_WITHIN_MS = 30_000;
const ASK_AGAIN_MS = 100;
const PAGE = 1000;

export interface ProviderIdentity {
  readonly api_key: string;
  readonly webhook_secret: string;
}

export class Provider {
  readonly name: string;
  readonly program: Program;
  readonly url: string;
  readonly #folder: string;

  constructor(options: {
    readonly name: string;
    readonly root: string;
    readonly port: number;
    readonly dataDir: string;
    readonly callbackUrl: string;
    readonly logPath: string;
    readonly onUnasked: (what: string) => void;
  }) {
    const { name, root, port, dataDir, callbackUrl, logPath, onUnasked } = options;
    const args = ['sandbox-provider', '--name', name, '--port', `${port}`, '--callback-url', callbackUrl];
    const settings = { LASTRO_DATA_DIR: dataDir };
    this.name = name;
    this.url = `http://127.0.0.1:${port}`;
    this.#folder = join(dataDir, 'sandbox-providers', name);
    this.program = new Program({ name, root, args, settings, ready: /listens on http/, logPath, onUnasked });
  }

  get identity(): ProviderIdentity {
    return JSON.parse(readFileSync(join(this.#folder, 'identity.json'), 'utf8')) as ProviderIdentity;
  }

  /** Nothing happens if it is not there just now. */
  async misbehave(misbehaviour: Misbehaviour, forMs: number): Promise<void> {
    const { behaviour, operation, probability, delayMs, retryAfterS } = misbehaviour;
    const more = {
      match: { operation },
      probability,
      delay_ms: delayMs,
      retry_after_s: retryAfterS,
    };
    const body = { behaviour, for_ms: forMs, ...(behaviour === 'refuse_connections' ? {} : more) };
    const answer = await this.#call('POST', '/behaviours', body).catch(() => undefined);
    if (answer !== undefined && answer.status !== 201)
      throw new Error(`${behaviour}: ${await answer.text()}`);
  }

  async behave(): Promise<void> {
    await this.#untilAnswered('DELETE', '/behaviours');
  }

  /** Everything, oldest first. */
  async book(): Promise<BookEntry[]> {
    const entries: BookEntry[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const answer = await this.#untilAnswered('GET', `/book?after=${after}&limit=${PAGE}`);
      const page = JSON.parse(answer) as { entries: BookEntry[]; next: number | null };
      entries.push(...page.entries);
      after = page.next;
    }
    return entries;
  }

  /** As a person at the provider's own desk does it: no charge can come under this key any more, unless it has. */
  async void(key: string): Promise<void> {
    await this.#untilAnswered('POST', `/charges/${key}/void`);
  }

  async refund({ key: charge, reference, amount, currency }: BookEntry, key: string): Promise<void> {
    await this.#untilAnswered('POST', '/refunds', { charge, reference, amount, currency }, key);
  }

  async #untilAnswered(method: string, path: string, body?: unknown, key?: string): Promise<string> {
    for (const endsAt = performance.now() + ANSWERED_WITHIN_MS; ; ) {
      const answer = await this.#call(method, path, body, key).catch(() => undefined);
      if (answer !== undefined && answer.status < 500 && answer.status !== 429) return answer.text();
      if (performance.now() > endsAt) throw new Error(`${this.name} did not answer ${path}`);
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }

  #call(method: string, path: string, body?: unknown, key?: string): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.identity.api_key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  }
}
