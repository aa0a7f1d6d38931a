/** One attempt to deliver a callback over HTTP. */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import type { CallbackStep } from './book.ts';
import type { CallbackTargets } from './callback-targets.ts';
import { instant } from './documents.ts';
import { signedHeaders } from './signature.ts';

/** STANDARDS §7: 15 to 30 s. */
const ATTEMPT_MS = 15_000;
const STALE_MS = 60 * 60 * 1000;
/** Keeps a slow receiver from being asked everything at once. */
export const MAX_AT_ONCE = 64;

export interface Attempt {
  readonly step: CallbackStep;
  /** When what it tells of happened. */
  readonly since: number;
  readonly now: number;
}

export class CallbackSender {
  readonly #targets: CallbackTargets;
  readonly #key: Buffer;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_AT_ONCE });

  constructor(targets: CallbackTargets, key: Buffer) {
    this.#targets = targets;
    this.#key = key;
  }

  /** Whether one of the targets took it. */
  async send({ step, since, now }: Attempt): Promise<boolean> {
    const body = JSON.stringify({ type: step.type, timestamp: instant(since), data: step.data });
    const sentAt = step.flaw === 'stale' ? now - STALE_MS : now;
    const key = step.flaw === 'signature' ? randomBytes(this.#key.length) : this.#key;
    const headers = signedHeaders({ webhookId: step.webhookId, sentAt, body }, key);
    for (const url of this.#targets.list()) {
      if (!(await this.#post(url, body, { ...headers }))) continue;
      this.#targets.prefer(url);
      return true;
    }
    return false;
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(url: string, body: string, signed: Readonly<Record<string, string>>): Promise<boolean> {
    return new Promise((resolve) => {
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...signed,
      };
      const options = {
        method: 'POST',
        agent: this.#agent,
        headers,
        signal: AbortSignal.timeout(ATTEMPT_MS),
      };
      const sent = request(url, options, (answer) => {
        answer.resume();
        answer.once('error', () => resolve(false));
        answer.once('end', () => resolve(isSuccess(answer.statusCode)));
      });
      sent.once('error', () => resolve(false));
      sent.end(body);
    });
  }
}

function isSuccess(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status < 300;
}
