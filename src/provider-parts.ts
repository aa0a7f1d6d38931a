/** The payment providers' parts of a process, made with what they share with the others (parts.ts). */
import type { Clock } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import type { Settings } from '#platform/config/settings.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { HeldPartitions } from '#platform/log/held-partitions.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { Configuration } from '#services/providers/configuration.ts';
import { Providers } from '#services/providers/providers.ts';
import { RefundResolutions } from '#services/providers/refund-resolutions.ts';
import type { RefundResolutionOrder } from '#services/providers/resolve-refund.ts';
import { providerTelemetry } from '#services/providers/telemetry.ts';
import { followedBy, type LeasedWorker } from './leased-worker.ts';
import { renderAnswer } from './problems.ts';
import type { Stops } from './stops.ts';

export interface SharedWithProviders {
  readonly configuration: Configuration;
  readonly log: EventLog;
  readonly openSession: (name: string) => Session;
  readonly reads: ReadPool;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly observer: BatchObserver;
  readonly metrics: Metrics;
  readonly onError: (error: unknown) => void;
  readonly stops: Stops;
  readonly commandsOf: (handler: RefundResolutions) => CommandQueue<RefundResolutionOrder>;
  readonly workerOf: <Loaded, Plan extends ConsumerPlan>(consumer: Consumer<Loaded, Plan>) => LeasedWorker;
}

export interface ProviderParts {
  /** Where the process runs the service. */
  start(): LeasedWorker;
  registerRoutes(app: HttpApp): void;
}

/** Its routes are there in every process, it works where it is started. */
export function openProviderParts(shared: SharedWithProviders): ProviderParts {
  const { stops, commandsOf, workerOf } = shared;
  /** Whose charges this process may send. */
  const charging = new HeldPartitions();
  const providers = makeProviders(shared, charging);
  return {
    start() {
      stops.add(() => providers.stop());
      providers.start();
      const worker = workerOf(providers.consumer);
      return followedBy(charging, {
        group: worker.group,
        own(partitions) {
          providers.own(partitions);
          worker.own(partitions);
        },
      });
    },
    registerRoutes(app) {
      const resolutions = new RefundResolutions({
        renderProblem: renderAnswer,
        onCommitted: (changes) => providers.noteResolved(changes),
      });
      providers.registerRoutes(app, commandsOf(resolutions));
    },
  };
}

function makeProviders(shared: SharedWithProviders, charging: HeldPartitions): Providers {
  const { settings, metrics } = shared;
  const telemetry = providerTelemetry(metrics);
  const providers = new Providers({
    ...shared,
    reader: shared.reads,
    random: Math.random,
    batchMax: settings.batchMax,
    telemetry,
    isOwned: (partition) => charging.has(partition),
    chargeDeadlineMs: settings.providerDeadlineMs,
  });
  telemetry.observe({
    statuses: () => providers.statuses(),
    countUnknown: () => providers.countUnknown(),
  });
  return providers;
}
