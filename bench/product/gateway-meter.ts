/**
 * What payments by providers took of the providers: calls, by the product's metrics, and charges, by the providers' own
 * books. Between `start` and `stop`, while no other payments by providers run.
 */
import { type MetricSample, sumOf, valuesOf } from '../measure/prometheus-text.ts';
import type { Api } from './api.ts';
import { type BooksFigures, sumBooks } from './provider-book.ts';
import type { SandboxProvider } from './sandbox-provider.ts';

export const CALLS = 'lastro_provider_call_duration_seconds_count';

export interface GatewayFigures {
  /** Charges, inquiries, voids: by operation, of all providers. */
  readonly calls: Readonly<Record<string, number>>;
  readonly books: BooksFigures;
}

export class GatewayMeter {
  readonly #api: Api;
  readonly #providers: readonly SandboxProvider[];
  readonly #positions = new Map<string, number>();
  #calls: Readonly<Record<string, number>> = {};

  constructor(api: Api, providers: readonly SandboxProvider[]) {
    this.#api = api;
    this.#providers = providers;
  }

  async start(): Promise<void> {
    this.#calls = callsOf(await this.#api.metrics());
    for (const provider of this.#providers) {
      const before = await provider.readBook(0);
      this.#positions.set(provider.name, before.at(-1)?.position ?? 0);
    }
  }

  /** Where a provider's book was at `start`. */
  positionOf(provider: SandboxProvider): number {
    return this.#positions.get(provider.name) ?? 0;
  }

  async stop(): Promise<GatewayFigures> {
    const calls = difference(this.#calls, callsOf(await this.#api.metrics()));
    const books = await Promise.all(
      this.#providers.map((provider) => provider.readBook(this.positionOf(provider))),
    );
    return { calls, books: sumBooks(books.flat()) };
  }
}

export function callsOf(samples: readonly MetricSample[]): Record<string, number> {
  const operations = valuesOf(samples, CALLS, 'operation');
  return Object.fromEntries(operations.map((operation) => [operation, sumOf(samples, CALLS, { operation })]));
}

function difference(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).map(([operation, count]) => [operation, count - (before[operation] ?? 0)]),
  );
}

/**
 * What must hold of the providers' books after payments of which so many have completed; null while some are on their
 * way.
 */
export function faultsOfBooks(name: string, { books }: GatewayFigures, completed: number | null): string[] {
  const { charged, chargedTwice } = books;
  const faults: string[] = [];
  if (chargedTwice > 0) faults.push(`${name}: ${chargedTwice} payments stand charged twice by the providers`);
  if (completed !== null && charged !== completed)
    faults.push(`${name}: by the providers' books ${charged} payments are charged, ${completed} completed`);
  return faults;
}
