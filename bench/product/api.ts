/** The bench's own calls, few and unhurried: preparation, metrics, samples. The load comes from load/. */
import { type MetricSample, parseMetrics } from '../measure/prometheus-text.ts';

/** A first commit of 10 000 accounts may wait for a checkpoint. */
const TIMEOUT_MS = 30_000;

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export class Api {
  readonly #url: string;
  readonly #key: string;

  constructor(options: { url: string; key: string }) {
    this.#url = options.url;
    this.#key = options.key;
  }

  get(path: string): Promise<ApiAnswer> {
    return this.#send(path, { method: 'GET', headers: { authorization: `Bearer ${this.#key}` } });
  }

  post(path: string, body: unknown, idempotencyKey: string): Promise<ApiAnswer> {
    return this.#send(path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.#key}`,
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey,
      },
      body: JSON.stringify(body),
    });
  }

  put(path: string, body: unknown, headers: Readonly<Record<string, string>>): Promise<ApiAnswer> {
    return this.#send(path, {
      method: 'PUT',
      headers: { ...headers, authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  async metrics(): Promise<MetricSample[]> {
    const response = await fetch(`${this.#url}/metrics`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
    return parseMetrics(await response.text());
  }

  async #send(path: string, init: RequestInit): Promise<ApiAnswer> {
    const response = await fetch(`${this.#url}${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
  }
}

/** Runs the work on each item, `width` at a time; the first failure ends it. */
export async function forEachConcurrently<Item>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  const runner = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) await work(items[index] as Item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, runner));
}
