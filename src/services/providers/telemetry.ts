import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { AttemptChanges } from './attempts.ts';
import type { GateOptions, GateStatus } from './provider-gate.ts';

/** What the service tells the outside beside its events. */
export interface ProviderObserver {
  called: GateOptions['onCalled'];
  /** After a commit. */
  decided(changes: AttemptChanges): void;
}

export interface ObservedProviders {
  readonly statuses: () => readonly GateStatus[];
  readonly countUnknown: () => Promise<number>;
}

/** Reads every open attempt: 8 ms for 2000 of them. Who scrapes more often sees the last count. */
const COUNTED_EVERY_MS = 1000;

/** As metrics. `observe` names what is read before a scrape; it is there later than its observer. */
export function providerTelemetry(
  metrics: Metrics,
): ProviderObserver & { observe(providers: ObservedProviders): void } {
  const durations = metrics.histogram({
    name: 'lastro_provider_call_duration_seconds',
    help: 'Calls to payment providers, by what they brought.',
    labels: ['provider', 'operation', 'outcome'],
  });
  const ends = metrics.counter({
    name: 'lastro_provider_attempts_total',
    help: 'Attempts at payment providers that came into each state.',
    labels: ['provider', 'kind', 'state'],
  });
  const breakers = metrics.gauge({
    name: 'lastro_provider_breaker_open',
    help: 'Whether this process sends no payments to the provider, because it does not answer: 1 or 0.',
    labels: ['provider'],
  });
  const inFlight = metrics.gauge({
    name: 'lastro_provider_calls_in_flight',
    help: 'Calls of this process that are under way.',
    labels: ['provider'],
  });
  const unknown = metrics.gauge({
    name: 'lastro_provider_unknown_outcomes',
    help: 'Charges and refunds whose outcome is not known, over all processes.',
    labels: [],
  });
  return {
    called({ provider, operation, outcome, durationMs }) {
      durations.with({ provider, operation, outcome }).observe(durationMs / 1000);
    },
    decided({ begun, moved }) {
      for (const { provider, kind, state } of [...begun, ...moved])
        ends.with({ provider, kind, state }).inc();
    },
    observe({ statuses, countUnknown }) {
      let countedAt = Number.NEGATIVE_INFINITY;
      metrics.beforeScrape(async () => {
        for (const status of statuses()) {
          breakers.with({ provider: status.name }).set(status.breaker === 'closed' ? 0 : 1);
          inFlight.with({ provider: status.name }).set(status.inFlight);
        }
        if (performance.now() < countedAt + COUNTED_EVERY_MS) return;
        countedAt = performance.now();
        // Metrics are wanted most when the database does not answer: then this one is not known, and the others are.
        unknown.with({}).set(await countUnknown().catch(() => Number.NaN));
      });
    },
  };
}
