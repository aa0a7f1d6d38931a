/** Makes each part of a process once, with what they share. Only this file and the composition root know every service. */
import { type Clock, systemClock } from '#kernel/clock.ts';
import { newId } from '#kernel/ids.ts';
import type { CommandHandler } from '#platform/batch/command.ts';
import { CommandWorker } from '#platform/batch/command-worker.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import { DecidedAnswers } from '#platform/batch/decided-answers.ts';
import { LagMonitor } from '#platform/batch/lag-monitor.ts';
import { type BatchObserver, both } from '#platform/batch/observer.ts';
import { PartitionTurns } from '#platform/batch/partition-turns.ts';
import { PassageWorker } from '#platform/batch/passage-worker.ts';
import type { Settings } from '#platform/config/settings.ts';
import type { Admission, CommandQueue } from '#platform/http/command-route.ts';
import { createHttpApp, type HttpApp } from '#platform/http/http-app.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { HeldPartitions } from '#platform/log/held-partitions.ts';
import { LeaseKeeper } from '#platform/log/lease-keeper.ts';
import { RangeMaintenance } from '#platform/log/maintenance.ts';
import { WakeUpListener } from '#platform/log/wake-up.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { batchTelemetry } from '#platform/telemetry/batch-telemetry.ts';
import { deadLetterTelemetry } from '#platform/telemetry/dead-letter-telemetry.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import { createMetrics, type Metrics } from '#platform/telemetry/metrics.ts';
import type { SecretKeys } from '#platform/vault/secret-key.ts';
import { Vault } from '#platform/vault/vault.ts';
import { type Access, createAccess, SANDBOX_TENANT, withoutSandbox } from '#services/access/contract.ts';
import { AskAgain } from '#services/authorization/ask-again.ts';
import { authorizationConsumer } from '#services/authorization/consumer.ts';
import { CheckpointClerk } from '#services/integrity/checkpoints/checkpoint-clerk.ts';
import { checkpointTelemetry } from '#services/integrity/checkpoints/checkpoint-telemetry.ts';
import type { SigningKey } from '#services/integrity/checkpoints/signing-key.ts';
import { ledgerConsumer } from '#services/ledger/consumer.ts';
import { LedgerCommands } from '#services/ledger/ledger-commands.ts';
import type { LedgerOrder } from '#services/ledger/orders.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { cardNotificationConsumer } from '#services/notification/card-consumer.ts';
import { notificationConsumer } from '#services/notification/consumer.ts';
import type { ChangeOrder } from '#services/payments/change-orders.ts';
import type { PaymentOrder } from '#services/payments/payment.ts';
import { PaymentChanges } from '#services/payments/payment-changes.ts';
import { PaymentIntake } from '#services/payments/payment-intake.ts';
import { PaymentReads } from '#services/payments/reads.ts';
import { RefundReads } from '#services/payments/refund-reads.ts';
import { type Changed, paymentStatusConsumer } from '#services/payments/status-consumer.ts';
import { paymentTelemetry } from '#services/payments/telemetry.ts';
import type { Configuration } from '#services/providers/configuration.ts';
import { Providers } from '#services/providers/providers.ts';
import { providerTelemetry } from '#services/providers/telemetry.ts';
import { validationConsumer } from '#services/validation/consumer.ts';
import { type CardParts, openCardParts } from './card-parts.ts';
import { type CashParts, openCashParts } from './cash-parts.ts';
import { ConsolidationParts } from './consolidation-parts.ts';
import { DeadLetterParts } from './dead-letter-parts.ts';
import { type HubParts, openHubParts, type SharedWithHub } from './hub-parts.ts';
import { IntegrityParts } from './integrity-parts.ts';
import { type OpenedDatabase } from './open-database.ts';
import { reachOf } from './outbound-policy.ts';
import { overload } from './overload.ts';
import { keyReusedOf, renderAnswer, SERVICE_PROBLEMS } from './problems.ts';
import { takesGatewayPayments } from './provider-configuration.ts';
import type { Stops } from './stops.ts';
import { sharedWithPassage, type Worker } from './straight-through-parts.ts';
import { CRITICAL_GROUPS, TOPOLOGY } from './topology.ts';
import { makeWebhooks } from './webhook-parts.ts';

export interface StartOptions {
  readonly settings: Settings;
  /** Where the embedded database and the sandbox key are. */
  readonly dataDir: string;
  readonly version: string;
  readonly logger: Logger;
  readonly onProgress?: (message: string) => void;
  /** Hears of every batch beside the metrics. */
  readonly observer?: BatchObserver;
}

/** Makes each part once, with what they share, and notes how it is stopped. */
export class Parts {
  readonly reads: ReadPool;
  readonly access: Access;
  readonly paymentReads: PaymentReads;
  readonly refundReads: RefundReads;
  readonly integrity: IntegrityParts;
  readonly consolidation: ConsolidationParts;
  readonly #options: StartOptions;
  readonly #database: OpenedDatabase;
  readonly #stops: Stops;
  readonly #metrics: Metrics = createMetrics();
  readonly #observer: BatchObserver;
  readonly #clock: Clock = systemClock;
  readonly #ledger = new LedgerStore();
  readonly #checks: ReadPool;
  #leases: LeaseKeeper | undefined;
  #deadLetters: DeadLetterParts | undefined;
  readonly #noteDestination = (destination: string, isDelivered: boolean): void =>
    this.#deadLetters?.noteDestination(destination, isDelivered);
  /** Whose charges this process may send. */
  readonly #charging = new HeldPartitions();
  /** Of the groups that lock wallets. */
  readonly #turns = new PartitionTurns();

  constructor(options: StartOptions, database: OpenedDatabase, stops: Stops) {
    this.#options = options;
    this.#database = database;
    this.#stops = stops;
    const told = { metrics: this.#metrics, logger: options.logger };
    const telemetry = { ...batchTelemetry(told), ...deadLetterTelemetry(told) };
    this.#observer = options.observer === undefined ? telemetry : both(telemetry, options.observer);
    this.reads = new ReadPool({ url: database.url, onError: this.#onError('an idle connection was lost') });
    stops.add(() => this.reads.close());
    // Of their own, so that slow lists of one tenant never keep another's key from being checked.
    this.#checks = new ReadPool({
      url: database.url,
      onError: this.#onError('an idle connection was lost'),
      connections: 2,
    });
    stops.add(() => this.#checks.close());
    const db = {
      query: async (text: string, values: unknown[]) => ({ rows: await this.#checks.query(text, values) }),
    };
    this.access = createAccess({ db, clock: this.#clock });
    stops.add(() => this.access.settled());
    this.paymentReads = new PaymentReads(this.reads);
    this.refundReads = new RefundReads(this.reads);
    this.integrity = new IntegrityParts({
      url: database.url,
      reads: this.reads,
      metrics: this.#metrics,
      logger: options.logger,
      clock: this.#clock,
      stops,
      openSession: (name) => this.#session(name),
      onError: this.#onError('integrity could not be looked after'),
    });
    this.consolidation = new ConsolidationParts({
      url: database.url,
      clock: this.#clock,
      stops,
      openSession: (name) => this.#session(name),
      onError: this.#onError('the daily balances could not be looked after'),
    });
  }

  vault(keys: SecretKeys): Vault {
    return new Vault({ db: this.reads, clock: this.#clock, keys });
  }

  async openLog(): Promise<EventLog> {
    const log = await EventLog.open({
      session: this.#session('heads'),
      topics: TOPOLOGY.topics,
      partitions: this.#options.settings.partitions,
      onError: this.#onError('the heads could not be read'),
    });
    this.#stops.add(() => log.close());
    const listener = new WakeUpListener({
      url: this.#database.url,
      onWake: () => log.wake(),
      onError: this.#onError('the wake-up connection was lost'),
    });
    await listener.open();
    this.#stops.add(() => listener.close());
    return log;
  }

  /** Before the workers, whose consumers it serves. */
  openDeadLetters(log: EventLog): DeadLetterParts {
    this.#deadLetters = new DeadLetterParts({
      ...this.#shared(log),
      checks: this.#checks,
      // They emit nothing: the topic is only the schema of their keys.
      commandsOf: (handler) =>
        this.#commandWorker(log, {
          name: 'dead_letters',
          topic: 'log',
          problems: 'dead_letters',
          handler,
          delayMs: () => 0,
        }),
    });
    return this.#deadLetters;
  }

  /** Opened before the workers, so that it is stopped after them: its last checkpoint covers their last batches. */
  openCheckpoints(key: SigningKey): void {
    const clerk = new CheckpointClerk({
      session: this.#session('checkpoints'),
      clock: this.#clock,
      key,
      intervalMs: this.#options.settings.checkpointIntervalMs,
      random: Math.random,
      onTurn: checkpointTelemetry(this.#metrics),
      onRefused: (reason) => this.#options.logger.error({ reason }, 'no checkpoint is signed over this log'),
      onError: this.#onError('no checkpoint could be made'),
    });
    clerk.start();
    this.#stops.add(() => clerk.stop());
  }

  /** The service that calls payment providers. Its routes are there in every process, it works where it is started. */
  providers(log: EventLog, configuration: Configuration): Providers {
    const telemetry = providerTelemetry(this.#metrics);
    const providers = new Providers({
      ...this.#shared(log),
      configuration,
      reader: this.reads,
      random: Math.random,
      batchMax: this.#options.settings.batchMax,
      telemetry,
      isOwned: (partition) => this.#charging.has(partition),
      chargeDeadlineMs: this.#options.settings.providerDeadlineMs,
      onError: this.#onError('the payment providers could not be worked on'),
    });
    telemetry.observe({
      statuses: () => providers.statuses(),
      countUnknown: () => providers.countUnknown(),
    });
    return providers;
  }

  hub(log: EventLog, shared: Pick<SharedWithHub, 'vault' | 'payments' | 'cards' | 'cash'>): HubParts {
    const hub = openHubParts({
      ...shared,
      ...this.#shared(log),
      settings: this.#options.settings,
      onError: this.#onError('a call of a connector could not be looked after'),
      commandsOf: (handler) => this.#commandWorker(log, { topic: 'hub', handler, delayMs: () => 0 }),
      workerOf: (consumer) => this.#worker(log, consumer),
      noteDestination: this.#noteDestination,
    });
    this.#deadLetters?.serveGivenUp(hub.letters);
    return hub;
  }

  startProviders(log: EventLog, providers: Providers): Worker {
    this.#stops.add(() => providers.stop());
    providers.start();
    const worker = this.#worker(log, providers.consumer);
    const own = (partitions: readonly number[], until = 0): void => {
      this.#charging.note(partitions, until);
      providers.own(partitions);
      worker.own(partitions, until);
    };
    return { group: worker.group, own };
  }

  /** Its routes are there in every process; it works where the service runs, with a worker of its own. */
  async webhooks(log: EventLog, vault: Vault, workers: Worker[]) {
    const webhooks = makeWebhooks({
      ...this.#options,
      ...this.#machine(log, 'webhooks.desk'),
      openSession: (name) => this.#session(name),
      reads: this.reads,
      vault,
      metrics: this.#metrics,
      noteDestination: this.#noteDestination,
      onError: this.#onError('webhooks could not be looked after'),
    });
    this.#deadLetters?.serveGivenUp(webhooks.letters);
    if (!this.#options.settings.services.includes('notification')) return webhooks;
    this.#stops.add(() => webhooks.stop());
    await webhooks.start();
    workers.push(this.#worker(log, webhooks.consumer));
    return webhooks;
  }

  /** `onChanged` hears of payments and refunds whose status was changed. */
  consumerWorkers(log: EventLog, onChanged: (changes: readonly Changed[]) => void): Worker[] {
    const { services } = this.#options.settings;
    const countEnds = paymentTelemetry(this.#metrics);
    const onStatuses = (changes: readonly Changed[]): void => {
      countEnds(changes);
      onChanged(changes);
    };
    const made = {
      validation: () => [this.#worker(log, validationConsumer(this.#ledger))],
      authorization: () => [this.#worker(log, authorizationConsumer(this.#ledger), this.#turns)],
      ledger: () => [this.#worker(log, ledgerConsumer(this.#ledger), this.#turns)],
      payments: () => [this.#worker(log, paymentStatusConsumer(onStatuses))],
      notification: () => [
        this.#worker(log, notificationConsumer()),
        this.#worker(log, cardNotificationConsumer()),
      ],
      integrity: () => [this.integrity.noting(this.#worker(log, this.integrity.consumer()))],
      consolidation: () => [this.consolidation.working(log, (consumer) => this.#worker(log, consumer))],
    };
    return Object.entries(made)
      .filter(([service]) => services.includes(service))
      .flatMap(([, make]) => make());
  }

  #worker<Loaded, Plan extends ConsumerPlan>(
    log: EventLog,
    consumer: Consumer<Loaded, Plan>,
    turns?: PartitionTurns,
  ): Worker {
    const shared = turns === undefined ? {} : { turns };
    const worker = new ConsumerWorker({
      consumer,
      ...this.#machine(log, consumer.group),
      ...shared,
      onUnknownVersion: (group, partition, event) => this.#giveUp(group, partition, event),
    });
    this.#stops.add(() => worker.stop());
    worker.start();
    this.#deadLetters?.serve(consumer);
    return worker;
  }

  withStraightThrough(log: EventLog, workers: readonly Worker[]): readonly Worker[] {
    return sharedWithPassage(workers, this.#ledger, (passage, onYield) => {
      const worker = new PassageWorker({ passage, ...this.#machine(log, passage.name), onYield });
      this.#stops.add(() => worker.stop());
      worker.start();
      return worker;
    });
  }

  /** Beside the coordinator, where it runs. */
  openAskAgain(log: EventLog): void {
    const askAgain = new AskAgain({
      ...this.#machine(log, 'authorization.ask-again'),
      onError: this.#onError('what a compensation needs could not be asked for again'),
    });
    askAgain.start();
    this.#stops.add(() => askAgain.stop());
  }

  #giveUp(group: string, partition: number, event: LogEvent): void {
    const line = { group, partition, event: eventIdentity(event), type: event.type, version: event.version };
    this.#options.logger.warn(
      line,
      'an event is newer than this program: its partition is left to a newer process',
    );
    this.#leases?.refuse(group, partition);
  }

  paymentIntake(log: EventLog, lags: LagMonitor): CommandQueue<PaymentOrder> {
    const gateways = takesGatewayPayments(this.#options.settings);
    const handler = new PaymentIntake({ renderProblem: renderAnswer, gateways });
    return this.#commandWorker(log, { topic: 'payments', handler, delayMs: () => lags.delayMs() });
  }

  paymentChanges(log: EventLog): CommandQueue<ChangeOrder> {
    const handler = new PaymentChanges({ renderProblem: renderAnswer });
    return this.#commandWorker(log, {
      name: 'payments.changes',
      topic: 'payments',
      handler,
      delayMs: () => 0,
    });
  }

  paymentAdmission(lags: LagMonitor): Admission<PaymentOrder> {
    const decided = new DecidedAnswers({
      idempotency: new IdempotencyStore('payments'),
      session: this.#session('payments.decided'),
      keyReused: keyReusedOf('payments'),
    });
    return {
      obstacle: ({ tenant, body }) => overload(lags, { tenant, key: body.wallet_id }),
      findDecided: (command) => decided.find(command),
    };
  }

  ledgerCommands(log: EventLog): CommandQueue<LedgerOrder> {
    const handler = new LedgerCommands({ store: this.#ledger, renderProblem: renderAnswer });
    return this.#commandWorker(log, { topic: 'ledger', handler, delayMs: () => 0 });
  }

  cards(log: EventLog): Promise<CardParts> {
    return openCardParts({
      ...this.#shared(log),
      batchMax: this.#options.settings.batchMax,
      onError: this.#onError('the cards could not be looked after'),
      reach: reachOf(this.#options.settings),
      commandsOf: (handler) => this.#commandWorker(log, { topic: 'cards', handler, delayMs: () => 0 }),
    });
  }

  cashflow(log: EventLog): CashParts {
    return openCashParts({
      ...this.#shared(log),
      isStarted: this.#options.settings.services.includes('cashflow'),
      commandsOf: (handler) => this.#commandWorker(log, { topic: 'cashflow', handler, delayMs: () => 0 }),
    });
  }

  #commandWorker<Body, Loaded, Effect>(
    log: EventLog,
    {
      topic,
      handler,
      delayMs,
      name = `${topic}.intake`,
      problems = topic,
    }: {
      topic: string;
      handler: CommandHandler<Body, Loaded, Effect>;
      delayMs: () => number;
      name?: string;
      /** The prefix of its problems' codes. */
      problems?: string;
    },
  ): CommandQueue<Body> {
    const worker = new CommandWorker({
      name,
      topic,
      handler,
      idempotency: new IdempotencyStore(topic),
      keyReused: keyReusedOf(problems),
      delayMs,
      ...this.#machine(log, name),
    });
    this.#stops.add(() => worker.stop());
    worker.start();
    return worker;
  }

  #shared(log: EventLog) {
    return {
      log,
      openSession: (name: string): Session => this.#session(name),
      ledger: this.#ledger,
      reads: this.reads,
      clock: this.#clock,
      observer: this.#observer,
      metrics: this.#metrics,
      logger: this.#options.logger,
      stops: this.#stops,
    };
  }

  #machine(log: EventLog, name: string) {
    const { batchMax } = this.#options.settings;
    return {
      log,
      session: this.#session(name),
      clock: this.#clock,
      random: Math.random,
      batchMax,
      observer: this.#observer,
    };
  }

  async openLagMonitor(): Promise<LagMonitor> {
    const { backpressureSoft: soft, backpressureHard: hard, partitions } = this.#options.settings;
    const lags = new LagMonitor({
      session: this.#session('lags'),
      criticalGroups: CRITICAL_GROUPS,
      partitions,
      soft,
      hard,
      onError: this.#onError('the lags could not be read'),
    });
    await lags.open();
    this.#stops.add(() => lags.close());
    const gauge = this.#metrics.gauge({
      name: 'lastro_consumer_lag_events',
      help: 'Events that a consumer group has still to pass, over all processes.',
      labels: ['group'],
    });
    this.#metrics.beforeScrape(() => {
      for (const [group, events] of lags.lags) gauge.with({ group }).set(events);
    });
    return lags;
  }

  async openLeases(log: EventLog, workers: readonly Worker[]): Promise<void> {
    const byGroup = new Map(workers.map((worker) => [worker.group, worker]));
    const keeper = new LeaseKeeper({
      session: this.#session('leases'),
      processId: newId('prc'),
      groups: [...byGroup.keys()],
      services: this.#options.settings.services,
      onOwned: (group, partitions, until) => {
        byGroup.get(group)?.own(partitions, until);
        this.#deadLetters?.own(group, partitions);
      },
      onLiveProcesses: (count) => {
        log.othersLive = count > 1;
      },
      onError: this.#onError('the leases could not be renewed'),
    });
    this.#leases = keeper;
    await keeper.open();
    this.#stops.add(() => keeper.close());
  }

  openMaintenance(): void {
    const maintenance = new RangeMaintenance({
      url: this.#database.url,
      topology: TOPOLOGY,
      onError: this.#onError('room in the range tables could not be made'),
    });
    maintenance.open();
    this.#stops.add(() => maintenance.close());
  }

  httpApp(): Promise<HttpApp> {
    const { settings, logger, version } = this.#options;
    return createHttpApp({
      settings,
      problems: SERVICE_PROBLEMS,
      logger,
      metrics: this.#metrics,
      clock: this.#clock,
      verifyKey: settings.mode === 'sandbox' ? this.access.verifyKey : withoutSandbox(this.access.verifyKey),
      sandboxTenant: settings.mode === 'sandbox' ? SANDBOX_TENANT : undefined,
      readiness: [{ name: 'database', check: () => this.#reachDatabase() }],
      version,
    });
  }

  #reachDatabase(): Promise<string | undefined> {
    return this.#checks.query('select 1', []).then(
      () => undefined,
      () => 'cannot be reached',
    );
  }

  #session(name: string): Session {
    const session = new Session({ url: this.#database.url, name });
    this.#stops.add(() => session.close());
    return session;
  }

  #onError(what: string): (error: unknown) => void {
    return (error) => this.#options.logger.warn({ err: error }, what);
  }
}
