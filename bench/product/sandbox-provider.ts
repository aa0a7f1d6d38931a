/**
 * A payment provider of the sandbox, which is outside the product: a process of its own (`lastro sandbox-provider`), told
 * when to misbehave, and its book read (docs/sandbox-providers.md).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { type Installation, spawnLastro } from './lastro-command.ts';
import type { BookEntry } from './provider-book.ts';
import { untilStarted } from './started-process.ts';

const READY = /listens on (http:\/\/\S+)/;
const TIMEOUT_MS = 10_000;
/** The most that the book gives at a time. */
const PAGE = 1000;

/** What it keeps in the data folder, as far as it is of use here. */
interface Identity {
  readonly pid: number;
  readonly api_key: string;
  readonly webhook_secret: string;
}

export interface ProviderOptions {
  readonly name: string;
  /** What its answers about charges and refunds take. */
  readonly latencyMs: number;
  readonly callbackUrl: string;
  readonly dataDir: string;
  readonly logPath: string;
  readonly cleanup: Cleanup;
}

export async function startSandboxProvider(
  installation: Installation,
  options: ProviderOptions,
): Promise<SandboxProvider> {
  const { name, latencyMs, callbackUrl, dataDir, logPath, cleanup } = options;
  const settings = { '--name': name, '--latency-ms': String(latencyMs), '--callback-url': callbackUrl };
  const child = spawnLastro(installation, ['sandbox-provider', ...Object.entries(settings).flat()]);
  const { url } = await untilStarted(child, { what: `provider ${name}`, ready: READY, logPath, cleanup });
  const identity = readFileSync(join(dataDir, 'sandbox-providers', name, 'identity.json'), 'utf8');
  return new SandboxProvider(name, url, JSON.parse(identity) as Identity);
}

export class SandboxProvider {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly apiKey: string;
  readonly webhookSecret: string;

  constructor(name: string, url: string, identity: Identity) {
    this.name = name;
    this.url = url;
    this.pid = identity.pid;
    this.apiKey = identity.api_key;
    this.webhookSecret = identity.webhook_secret;
  }

  /** From now on it answers nothing about payments, and does nothing. */
  async hang(): Promise<void> {
    const body = JSON.stringify({ behaviour: 'hang', match: { operation: 'any' } });
    await this.#send('/behaviours', { method: 'POST', body });
  }

  /** From now on it does as it should; what it left unanswered stays so. */
  async recover(): Promise<void> {
    await this.#send('/behaviours', { method: 'DELETE' });
  }

  /** Everything behind a position of its book, as it is now. */
  async readBook(after: number): Promise<BookEntry[]> {
    const found: BookEntry[] = [];
    for (let from: number | null = after; from !== null; ) {
      const page: BookPage = JSON.parse(
        await this.#send(`/book?after=${from}&limit=${PAGE}`, {}),
      ) as BookPage;
      found.push(...page.entries);
      from = page.next;
    }
    return found;
  }

  async #send(path: string, init: RequestInit): Promise<string> {
    const headers = { authorization: `Bearer ${this.apiKey}`, 'content-type': 'application/json' };
    const response = await fetch(`${this.url}${path}`, {
      ...init,
      headers,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${this.name} answered ${response.status} to ${path}: ${text}`);
    return text;
  }
}

interface BookPage {
  readonly entries: readonly BookEntry[];
  readonly next: number | null;
}
