/** Which provider is asked next. */
import type { Configuration, ProviderTerms } from './configuration.ts';

export interface Routing {
  /** Names in order; none if no route matches. */
  routeOf(terms: { readonly amount: number; readonly currency: string }): readonly string[];
  termsOf(provider: string): ProviderTerms | undefined;
  /** Whether it answers, as far as is known. */
  isAvailable(provider: string): boolean;
  /** Whether it answers, and would be sent one more charge. */
  hasRoom(provider: string): boolean;
  /** Whether it answers, or has not been away for so long that nobody waits for it any more. */
  isAwaited(provider: string): boolean;
}

export function routingOf(
  configuration: Configuration,
  state: Pick<Routing, 'isAvailable' | 'hasRoom' | 'isAwaited'>,
): Routing {
  const byName = new Map(configuration.providers.map((terms) => [terms.name, terms]));
  return {
    routeOf: ({ amount, currency }) =>
      configuration.routes.find(
        ({ currencies, minAmount, maxAmount }) =>
          (currencies === null || currencies.includes(currency)) &&
          amount >= minAmount &&
          amount <= maxAmount,
      )?.providers ?? [],
    termsOf: (provider) => byName.get(provider),
    ...state,
  };
}

export interface Choice {
  readonly provider: string;
  /** Still to be tried in this round. */
  readonly others: readonly string[];
}

/** The first that takes it now, else the first that answers, else the first; undefined if there is none at all. */
export function choose(candidates: readonly string[], routing: Routing): Choice | undefined {
  const provider =
    candidates.find((name) => routing.hasRoom(name)) ??
    candidates.find((name) => routing.isAvailable(name)) ??
    candidates[0];
  if (provider === undefined) return undefined;
  return { provider, others: candidates.filter((name) => name !== provider) };
}
