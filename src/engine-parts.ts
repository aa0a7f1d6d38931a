/** What every service of a process stands on: sessions, the log, workers over it, leases on its partitions (parts.ts). */
import type { Client } from 'pg';
import { type Clock, systemClock } from '#kernel/clock.ts';
import { newId } from '#kernel/ids.ts';
import type { CommandHandler } from '#platform/batch/command.ts';
import { CommandWorker } from '#platform/batch/command-worker.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import { LagMonitor } from '#platform/batch/lag-monitor.ts';
import { type BatchObserver, both } from '#platform/batch/observer.ts';
import type { PartitionTurns } from '#platform/batch/partition-turns.ts';
import { Precedence } from '#platform/batch/precedence.ts';
import type { Settings } from '#platform/config/settings.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { LeaseKeeper } from '#platform/log/lease-keeper.ts';
import { rangeMaintenance } from '#platform/log/maintenance.ts';
import { SeenHeads } from '#platform/log/seen-heads.ts';
import { WakeUpListener } from '#platform/log/wake-up.ts';
import { Session } from '#platform/postgres/session.ts';
import { batchTelemetry } from '#platform/telemetry/batch-telemetry.ts';
import { deadLetterTelemetry } from '#platform/telemetry/dead-letter-telemetry.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import { createMetrics, type Metrics } from '#platform/telemetry/metrics.ts';
import type { LeasedWorker } from './leased-worker.ts';
import { keyReusedOf } from './problems.ts';
import type { Stops } from './stops.ts';
import { CRITICAL_GROUPS, TOPOLOGY } from './topology.ts';

export interface EngineOptions {
  /** Of the database. */
  readonly url: string;
  readonly settings: Settings;
  readonly logger: Logger;
  readonly stops: Stops;
  /** Hears of every batch beside the metrics. */
  readonly observer?: BatchObserver | undefined;
}

/** What holds a worker's batches back, so that others go first: precedence, backpressure. */
export interface Restraint {
  /** How much longer than usual the next batch waits, in ms. */
  delayMs(): number;
  /** How many of those that wait it takes. */
  takes(waiting: number): number;
}

const UNRESTRAINED: Restraint = { delayMs: () => 0, takes: (waiting) => waiting };

/** Which orders a worker takes, and how. */
export interface CommandWork<Body, Loaded, Effect> {
  /** The schema of their keys, and the topic that they emit to. */
  readonly topic: string;
  readonly handler: CommandHandler<Body, Loaded, Effect>;
  /** Of the worker; default `<topic>.intake`. */
  readonly name?: string;
  readonly restraint?: Restraint;
  /** The prefix of its problems' codes; default the topic. */
  readonly problems?: string;
}

/** Whoever else is told what this process owns. */
export type OnOwned = (group: string, partitions: readonly number[]) => void;

export class EngineParts {
  readonly clock: Clock = systemClock;
  readonly metrics: Metrics = createMetrics();
  readonly observer: BatchObserver;
  /** Of who waits by a deadline before who was told 202. */
  readonly precedence = new Precedence();
  readonly seenHeads = new SeenHeads();
  readonly #options: EngineOptions;
  #leases: LeaseKeeper | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    const told = { metrics: this.metrics, logger: options.logger };
    const groups = TOPOLOGY.groups.map(({ group }) => group);
    const telemetry = { ...batchTelemetry(told, groups), ...deadLetterTelemetry(told, groups) };
    this.observer = options.observer === undefined ? telemetry : both(telemetry, options.observer);
  }

  /** Closed with the process. */
  session(name: string): Session {
    const inspect = (client: Client): Promise<void> => this.seenHeads.inspect(client);
    const session = new Session({ url: this.#options.url, name, inspect });
    this.#options.stops.add(() => session.close());
    return session;
  }

  onError(what: string): (error: unknown) => void {
    return (error) => this.#options.logger.warn({ err: error }, what);
  }

  /** What a worker of batches needs, with a session of its own. */
  machine(log: EventLog, name: string) {
    return {
      log,
      session: this.session(name),
      clock: this.clock,
      random: Math.random,
      batchMax: this.#options.settings.batchMax,
      observer: this.observer,
    };
  }

  async openLog(): Promise<EventLog> {
    const { settings, stops, url } = this.#options;
    const log = await EventLog.open({
      session: this.session('heads'),
      topics: TOPOLOGY.topics,
      partitions: settings.partitions,
      onError: this.onError('the heads could not be read'),
    });
    this.seenHeads.knownBy(log);
    stops.add(() => log.close());
    const listener = new WakeUpListener({
      url,
      onWake: () => log.wake(),
      onError: this.onError('the wake-up connection was lost'),
    });
    await listener.open();
    stops.add(() => listener.close());
    return log;
  }

  worker<Loaded, Plan extends ConsumerPlan>(
    log: EventLog,
    consumer: Consumer<Loaded, Plan>,
    turns?: PartitionTurns,
  ): LeasedWorker {
    const worker = new ConsumerWorker({
      consumer,
      ...this.machine(log, consumer.group),
      ...(turns === undefined ? {} : { turns }),
      onUnknownVersion: (group, partition, event) => this.#giveUp(group, partition, event),
    });
    this.#options.stops.add(() => worker.stop());
    worker.start();
    return worker;
  }

  commandWorker<Body, Loaded, Effect>(
    log: EventLog,
    {
      topic,
      handler,
      name = `${topic}.intake`,
      restraint = UNRESTRAINED,
      problems = topic,
    }: CommandWork<Body, Loaded, Effect>,
  ): CommandQueue<Body> {
    const worker = new CommandWorker({
      name,
      topic,
      handler,
      idempotency: new IdempotencyStore(topic),
      keyReused: keyReusedOf(problems),
      delayMs: () => restraint.delayMs(),
      takes: (waiting) => restraint.takes(waiting),
      ...this.machine(log, name),
    });
    this.#options.stops.add(() => worker.stop());
    worker.start();
    return worker;
  }

  async openLagMonitor(): Promise<LagMonitor> {
    const { backpressureSoft: soft, backpressureHard: hard, partitions } = this.#options.settings;
    const lags = new LagMonitor({
      session: this.session('lags'),
      criticalGroups: CRITICAL_GROUPS,
      partitions,
      soft,
      hard,
      onError: this.onError('the lags could not be read'),
    });
    await lags.open();
    this.#options.stops.add(() => lags.close());
    const gauge = this.metrics.gauge({
      name: 'lastro_consumer_lag_events',
      help: 'Events that a consumer group has still to pass, over all processes.',
      labels: ['group'],
    });
    this.metrics.beforeScrape(() => {
      for (const [group, events] of lags.lags) gauge.with({ group }).set(events);
    });
    return lags;
  }

  async openLeases(log: EventLog, workers: readonly LeasedWorker[], onOwned: OnOwned): Promise<void> {
    const byGroup = new Map(workers.map((worker) => [worker.group, worker]));
    const keeper = new LeaseKeeper({
      session: this.session('leases'),
      processId: newId('prc'),
      groups: [...byGroup.keys()],
      services: this.#options.settings.services,
      onOwned: (group, partitions, until) => {
        byGroup.get(group)?.own(partitions, until);
        onOwned(group, partitions);
      },
      onLiveProcesses: (count) => {
        log.othersLive = count > 1;
      },
      onError: this.onError('the leases could not be renewed'),
    });
    this.#leases = keeper;
    await keeper.open();
    this.#options.stops.add(() => keeper.close());
  }

  openMaintenance(): void {
    const maintenance = rangeMaintenance({
      url: this.#options.url,
      topology: TOPOLOGY,
      random: Math.random,
      onError: this.onError('room in the range tables could not be made'),
    });
    maintenance.start();
    this.#options.stops.add(() => maintenance.stop());
  }

  #giveUp(group: string, partition: number, event: LogEvent): void {
    const line = { group, partition, event: eventIdentity(event), type: event.type, version: event.version };
    this.#options.logger.warn(
      line,
      'an event is newer than this program: its partition is left to a newer process',
    );
    this.#leases?.refuse(group, partition);
  }
}
