/**
 * Clients that go on paying while processes come and go: what gets no answer is asked again with the same key, of
 * whoever is there. They remember every payment they were promised.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { http } from './lastro-process.ts';

const CLIENTS = 4;
/** A steady load that two cores do not feel: some 200 payments a second. */
const BETWEEN_REQUESTS_MS = 15;
/** Of a process that was stopped no answer comes. */
const ANSWER_TIMEOUT_MS = 1500;

export class Payers {
  /** Payment ids by idempotency key. */
  readonly accepted = new Map<string, string>();
  /** Answers that should not be, and keys that were promised two payments. */
  readonly contradictions: string[] = [];
  readonly #urls: () => readonly string[];
  readonly #wallets: readonly string[];
  readonly #clients: Promise<void>[] = [];
  #isPaying = true;
  #asked = 0;

  /** `urls`: of the processes that take requests now. */
  constructor(options: { readonly urls: () => readonly string[]; readonly wallets: readonly string[] }) {
    this.#urls = options.urls;
    this.#wallets = options.wallets;
    for (let client = 0; client < CLIENTS; client++) this.#clients.push(this.#pay());
  }

  /** Ends when every payment that was asked for has its answer. */
  async stop(): Promise<void> {
    this.#isPaying = false;
    await Promise.all(this.#clients);
  }

  async #pay(): Promise<void> {
    while (this.#isPaying) {
      const number = this.#asked++;
      const body = paymentFrom(this.#wallets[number % this.#wallets.length]);
      for (let attempt = number; !(await this.#ask({ key: `pays-${number}`, body }, attempt)); attempt++)
        await delay(BETWEEN_REQUESTS_MS);
      await delay(BETWEEN_REQUESTS_MS);
    }
  }

  /** Whether it was answered for good. */
  async #ask({ key, body }: { key: string; body: unknown }, attempt: number): Promise<boolean> {
    const urls = this.#urls();
    const url = urls[attempt % urls.length];
    if (url === undefined) return false;
    try {
      const answer = await http(`${url}/v1/payments`, {
        headers: { 'idempotency-key': key },
        body,
        timeoutMs: ANSWER_TIMEOUT_MS,
      });
      if (answer.status === 202) this.#note(key, answer.json()['id'] as string);
      else if (answer.status !== 503) this.contradictions.push(`${key}: ${answer.status} ${answer.text}`);
      return answer.status !== 503;
    } catch {
      return false; // Nobody answered: asked again.
    }
  }

  #note(key: string, id: string): void {
    const before = this.accepted.get(key);
    if (before !== undefined && before !== id) this.contradictions.push(`${key}: ${before} and ${id}`);
    this.accepted.set(key, id);
  }
}

/** Of one cent to the sandbox's service. */
export function paymentFrom(walletId: string | undefined): Record<string, unknown> {
  return { wallet_id: walletId, service_id: 'abc-1234', amount: 1, currency: 'USD', method: 'balance' };
}

/** Opens wallets through the API, each with 1000.00 USD from the sandbox's bank. */
export async function openWallets(url: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `payer-${index}`);
  await Promise.all(ids.map((id) => post(`${url}/v1/accounts`, { id, kind: 'wallet', currency: 'USD' })));
  const debit = { account_id: 'bank-usd', direction: 'debit', amount: 100_000 };
  await Promise.all(
    ids.map((id) =>
      post(`${url}/v1/journal-entries`, {
        postings: [debit, { ...debit, account_id: id, direction: 'credit' }],
      }),
    ),
  );
  return ids;
}

async function post(url: string, body: unknown): Promise<void> {
  const { status, text } = await http(url, { headers: { 'idempotency-key': randomUUID() }, body });
  if (status !== 201) throw new Error(`${url} answered ${status} ${text}`);
}
