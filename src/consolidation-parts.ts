/** The consolidation as a process has it: its consumer, the sealing of days, its routes. */
import type { Clock } from '#kernel/clock.ts';
import { Chore } from '#platform/batch/chore.ts';
import type { LagMonitor } from '#platform/batch/lag-monitor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { HeldPartitions } from '#platform/log/held-partitions.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import { contraAccountId } from '#services/cashflow/contract.ts';
import { consolidationConsumer, GROUP } from '#services/consolidation/consumer.ts';
import { DaySealer } from '#services/consolidation/day-sealer.ts';
import { DayReads } from '#services/consolidation/reads.ts';
import { ReportCache } from '#services/consolidation/report-cache.ts';
import { Reports } from '#services/consolidation/reports.ts';
import { registerDayRoutes } from '#services/consolidation/routes.ts';
import { followedBy, type LeasedWorker } from './leased-worker.ts';
import type { Stops } from './stops.ts';

/** Between looks whether this process is the one that seals. */
const LOOK_MS = 1000;

export interface ConsolidationContext {
  readonly url: string;
  readonly clock: Clock;
  readonly stops: Stops;
  readonly openSession: (name: string) => Session;
  readonly onError: (error: unknown) => void;
}

export class ConsolidationParts {
  readonly #context: ConsolidationContext;
  /** Of the logs that this process follows: who has the first partition seals. */
  readonly #following = new HeldPartitions();

  constructor(context: ConsolidationContext) {
    this.#context = context;
  }

  /** Its worker, made of the consumer, whose leases say who seals. */
  working(
    log: EventLog,
    workerOf: (consumer: ReturnType<typeof consolidationConsumer>) => LeasedWorker,
  ): LeasedWorker {
    const worker = workerOf(consolidationConsumer());
    this.#startSealing(log);
    return followedBy(this.#following, worker);
  }

  #startSealing(log: EventLog): void {
    const { openSession, clock, stops, onError } = this.#context;
    const sealer = new DaySealer({
      session: openSession('consolidation.sealing'),
      log,
      clock,
      onError,
    });
    const chore = new Chore({
      work: async () => (this.#following.has(0) ? sealer.turn() : LOOK_MS),
      pauseMs: LOOK_MS,
      random: Math.random,
      onError,
    });
    stops.add(() => chore.stop());
    chore.start();
  }

  /** Read by connections of their own: reports that many ask for never keep others from reading payments. */
  registerRoutes(app: HttpApp, lags: LagMonitor): void {
    const { url, openSession, stops, onError } = this.#context;
    const reader = new ReadPool({ url, onError, connections: READ_CONNECTIONS });
    stops.add(() => reader.close());
    const reads = new DayReads({
      looks: openSession('consolidation.looks'),
      days: openSession('consolidation.days'),
      reader,
    });
    registerDayRoutes(app, {
      reads,
      reports: new Reports(reads, new ReportCache()),
      lag: () => lags.lags.get(GROUP) ?? 0,
      accountOfCategory: contraAccountId,
    });
  }
}

/** For what is not asked often, and for reports of many days. */
const READ_CONNECTIONS = 2;
