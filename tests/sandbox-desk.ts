/** One of the sandbox's providers as a test has it: told to misbehave, killed, stopped, and its book read. */
import { setTimeout as delay } from 'node:timers/promises';
import { type HttpAnswer, type HttpRequest, http } from './lastro-process.ts';
import { readIdentity } from './provider-users.ts';

export interface BookEntry {
  readonly kind: 'charge' | 'refund';
  readonly key: string;
  /** The payment's id, or the refund's. */
  readonly reference: string;
  readonly amount: number;
  readonly currency: string;
  readonly status: string;
  /** Of a refund: the key of the charge. */
  readonly charge?: string;
}

/** A provider that was just killed, or refuses connections, is there again by then. */
const BACK_WITHIN_MS = 30_000;
const ASK_AGAIN_MS = 100;
const ANSWER_TIMEOUT_MS = 3000;
const PAGE = 1000;

export class SandboxDesk {
  readonly name: string;
  readonly #dataDir: string;

  constructor(name: string, dataDir: string) {
    this.name = name;
    this.#dataDir = dataDir;
  }

  get url(): string {
    return `http://127.0.0.1:${readIdentity(this.#dataDir, this.name).port}`;
  }

  get identity() {
    return readIdentity(this.#dataDir, this.name);
  }

  /** False if it could not be told: it is not there just now. */
  async misbehave(behaviour: string, more: Readonly<Record<string, unknown>> = {}): Promise<boolean> {
    const answer = await this.call('/behaviours', { body: { behaviour, ...more } }).catch(() => undefined);
    if (answer !== undefined && answer.status !== 201) throw new Error(`${behaviour}: ${answer.text}`);
    return answer !== undefined;
  }

  async behave(): Promise<void> {
    await this.#untilAnswered('/behaviours', { method: 'DELETE' });
  }

  /** Everything, oldest first. */
  async book(): Promise<BookEntry[]> {
    const entries: BookEntry[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const page = (await this.#untilAnswered(`/book?after=${after}&limit=${PAGE}`)).json() as {
        entries: BookEntry[];
        next: number | null;
      };
      entries.push(...page.entries);
      after = page.next;
    }
    return entries;
  }

  /** As a person at the provider's own desk does it. */
  refund(charge: BookEntry, key: string): Promise<HttpAnswer> {
    const { key: charged, reference, amount, currency } = charge;
    const body = { charge: charged, reference, amount, currency };
    return this.#untilAnswered('/refunds', { headers: { 'idempotency-key': key }, body });
  }

  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(this.identity.pid, signal);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error; // it is being started again
    }
  }

  call(path: string, request: HttpRequest = {}): Promise<HttpAnswer> {
    const headers = { authorization: `Bearer ${this.identity.api_key}`, ...request.headers };
    return http(`${this.url}${path}`, { timeoutMs: ANSWER_TIMEOUT_MS, ...request, headers });
  }

  async #untilAnswered(path: string, request: HttpRequest = {}): Promise<HttpAnswer> {
    for (const startedAt = performance.now(); ; await delay(ASK_AGAIN_MS)) {
      try {
        const answer = await this.call(path, request);
        if (answer.status < 500) return answer;
      } catch (error) {
        if (performance.now() - startedAt > BACK_WITHIN_MS) throw error;
      }
    }
  }
}
