/** Makes each part of a process once, with what they share. Only this file and the composition root know every service. */
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { PartitionTurns } from '#platform/batch/partition-turns.ts';
import { PassageWorker } from '#platform/batch/passage-worker.ts';
import type { Settings } from '#platform/config/settings.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import { createHttpApp, type HttpApp } from '#platform/http/http-app.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { databaseLack } from '#platform/postgres/readiness.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Logger } from '#platform/telemetry/logger.ts';
import type { SecretKeys } from '#platform/vault/secret-key.ts';
import { Vault } from '#platform/vault/vault.ts';
import { type Access, createAccess, SANDBOX_TENANT, withoutSandbox } from '#services/access/contract.ts';
import { AskAgain } from '#services/authorization/ask-again.ts';
import { authorizationConsumer } from '#services/authorization/consumer.ts';
import { ledgerConsumer } from '#services/ledger/consumer.ts';
import { LedgerCommands } from '#services/ledger/ledger-commands.ts';
import type { LedgerOrder } from '#services/ledger/orders.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { cardNotificationConsumer } from '#services/notification/card-consumer.ts';
import { notificationConsumer } from '#services/notification/consumer.ts';
import type { Configuration } from '#services/providers/configuration.ts';
import { validationConsumer } from '#services/validation/consumer.ts';
import { type CardParts, openCardParts } from './card-parts.ts';
import { type CashParts, openCashParts } from './cash-parts.ts';
import { ConsolidationParts } from './consolidation-parts.ts';
import { DeadLetterParts } from './dead-letter-parts.ts';
import { EngineParts } from './engine-parts.ts';
import { type HubParts, openHubParts, type SharedWithHub } from './hub-parts.ts';
import { IntegrityParts } from './integrity-parts.ts';
import type { LeasedWorker } from './leased-worker.ts';
import type { OpenedDatabase } from './open-database.ts';
import { reachOf } from './outbound-policy.ts';
import { PaymentParts } from './payment-parts.ts';
import { renderAnswer, SERVICE_PROBLEMS } from './problems.ts';
import { openProviderParts, type ProviderParts } from './provider-parts.ts';
import type { Stops } from './stops.ts';
import { sharedWithPassage } from './straight-through-parts.ts';
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
  readonly engine: EngineParts;
  readonly reads: ReadPool;
  readonly access: Access;
  readonly payments: PaymentParts;
  readonly integrity: IntegrityParts;
  readonly consolidation: ConsolidationParts;
  readonly #options: StartOptions;
  readonly #stops: Stops;
  readonly #ledger = new LedgerStore();
  readonly #checks: ReadPool;
  #deadLetters: DeadLetterParts | undefined;
  readonly #noteDestination = (destination: string, isDelivered: boolean): void =>
    this.#deadLetters?.noteDestination(destination, isDelivered);
  /** Of the groups that lock wallets. */
  readonly #turns = new PartitionTurns();

  constructor(options: StartOptions, database: OpenedDatabase, stops: Stops) {
    this.#options = options;
    this.#stops = stops;
    this.engine = new EngineParts({ ...options, url: database.url, stops });
    this.reads = new ReadPool({
      url: database.url,
      onError: this.engine.onError('an idle connection was lost'),
    });
    stops.add(() => this.reads.close());
    // Of their own, so that slow lists of one tenant never keep another's key from being checked.
    this.#checks = new ReadPool({
      url: database.url,
      onError: this.engine.onError('an idle connection was lost'),
      connections: 2,
    });
    stops.add(() => this.#checks.close());
    this.access = createAccess({ db: this.#checks, clock: this.engine.clock });
    stops.add(() => this.access.settled());
    this.payments = new PaymentParts({
      engine: this.engine,
      reads: this.reads,
      settings: options.settings,
    });
    this.integrity = new IntegrityParts({
      url: database.url,
      reads: this.reads,
      metrics: this.engine.metrics,
      logger: options.logger,
      clock: this.engine.clock,
      stops,
      openSession: (name) => this.engine.session(name),
      onError: (what) => this.engine.onError(what),
    });
    this.consolidation = new ConsolidationParts({
      url: database.url,
      clock: this.engine.clock,
      stops,
      openSession: (name) => this.engine.session(name),
      onError: this.engine.onError('the daily balances could not be looked after'),
    });
  }

  vault(keys: SecretKeys): Vault {
    return new Vault({ db: this.reads, clock: this.engine.clock, keys });
  }

  /** Before the workers, whose consumers it serves. */
  openDeadLetters(log: EventLog): DeadLetterParts {
    this.#deadLetters = new DeadLetterParts({
      ...this.#shared(log),
      checks: this.#checks,
      // They emit nothing: the topic is only the schema of their keys.
      commandsOf: (handler) =>
        this.engine.commandWorker(log, {
          name: 'dead_letters',
          topic: 'log',
          problems: 'dead_letters',
          handler,
        }),
    });
    return this.#deadLetters;
  }

  providers(log: EventLog, configuration: Configuration): ProviderParts {
    return openProviderParts({
      ...this.#shared(log),
      configuration,
      settings: this.#options.settings,
      onError: this.engine.onError('the payment providers could not be worked on'),
      commandsOf: (handler) => this.engine.commandWorker(log, { topic: 'providers', handler }),
      workerOf: (consumer) => this.#worker(log, consumer),
    });
  }

  hub(log: EventLog, shared: Pick<SharedWithHub, 'vault' | 'payments' | 'cards' | 'cash'>): HubParts {
    const hub = openHubParts({
      ...shared,
      ...this.#shared(log),
      settings: this.#options.settings,
      onError: this.engine.onError('a call of a connector could not be looked after'),
      commandsOf: (handler) =>
        this.engine.commandWorker(log, {
          topic: 'hub',
          handler,
          restraint: this.engine.precedence,
        }),
      workerOf: (consumer) => this.#worker(log, consumer),
      noteDestination: this.#noteDestination,
    });
    this.#deadLetters?.serveGivenUp(hub.letters);
    return hub;
  }

  /** Its routes are there in every process; it works where the service runs, with a worker of its own. */
  async webhooks(log: EventLog, vault: Vault, workers: LeasedWorker[]) {
    const webhooks = makeWebhooks({
      ...this.#options,
      ...this.engine.machine(log, 'webhooks.desk'),
      openSession: (name) => this.engine.session(name),
      reads: this.reads,
      vault,
      metrics: this.engine.metrics,
      noteDestination: this.#noteDestination,
      onError: this.engine.onError('webhooks could not be looked after'),
    });
    this.#deadLetters?.serveGivenUp(webhooks.letters);
    if (!this.#options.settings.services.includes('notification')) return webhooks;
    this.#stops.add(() => webhooks.stop());
    await webhooks.start();
    workers.push(this.#worker(log, webhooks.consumer));
    return webhooks;
  }

  consumerWorkers(log: EventLog): LeasedWorker[] {
    const { services } = this.#options.settings;
    const made = {
      validation: () => [this.#worker(log, validationConsumer(this.#ledger))],
      authorization: () => [this.#worker(log, authorizationConsumer(this.#ledger), this.#turns)],
      ledger: () => [this.#worker(log, ledgerConsumer(this.#ledger), this.#turns)],
      payments: () => [this.#worker(log, this.payments.statusConsumer())],
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
  ): LeasedWorker {
    const worker = this.engine.worker(log, consumer, turns);
    this.#deadLetters?.serve(consumer);
    return worker;
  }

  withStraightThrough(log: EventLog, workers: readonly LeasedWorker[]): readonly LeasedWorker[] {
    return sharedWithPassage(workers, this.#ledger, (passage, onYield) => {
      const worker = new PassageWorker({ passage, ...this.engine.machine(log, passage.name), onYield });
      this.#stops.add(() => worker.stop());
      worker.start();
      return worker;
    });
  }

  /** Beside the coordinator, where it runs. */
  openAskAgain(log: EventLog): void {
    const askAgain = new AskAgain({
      ...this.engine.machine(log, 'authorization.ask-again'),
      onError: this.engine.onError('what a compensation needs could not be asked for again'),
    });
    askAgain.start();
    this.#stops.add(() => askAgain.stop());
  }

  ledgerCommands(log: EventLog): CommandQueue<LedgerOrder> {
    const handler = new LedgerCommands({ store: this.#ledger, renderProblem: renderAnswer });
    return this.engine.commandWorker(log, { topic: 'ledger', handler });
  }

  cards(log: EventLog): Promise<CardParts> {
    return openCardParts({
      ...this.#shared(log),
      batchMax: this.#options.settings.batchMax,
      onError: this.engine.onError('the cards could not be looked after'),
      onWaited: (part) => this.engine.precedence.note(part),
      reach: reachOf(this.#options.settings),
      commandsOf: (handler) => this.engine.commandWorker(log, { topic: 'cards', handler }),
    });
  }

  cashflow(log: EventLog): CashParts {
    return openCashParts({
      ...this.#shared(log),
      isStarted: this.#options.settings.services.includes('cashflow'),
      commandsOf: (handler) => this.engine.commandWorker(log, { topic: 'cashflow', handler }),
    });
  }

  #shared(log: EventLog) {
    return {
      log,
      openSession: (name: string): Session => this.engine.session(name),
      ledger: this.#ledger,
      reads: this.reads,
      clock: this.engine.clock,
      observer: this.engine.observer,
      metrics: this.engine.metrics,
      logger: this.#options.logger,
      stops: this.#stops,
    };
  }

  /** Behind all that works on what is owned, and so given back before any of that is stopped. */
  async openLeases(log: EventLog, workers: readonly LeasedWorker[]): Promise<void> {
    await this.engine.openLeases(log, workers, (group, partitions) =>
      this.#deadLetters?.own(group, partitions),
    );
    this.#deadLetters?.start();
  }

  httpApp(): Promise<HttpApp> {
    const { settings, logger, version } = this.#options;
    return createHttpApp({
      settings,
      problems: SERVICE_PROBLEMS,
      logger,
      metrics: this.engine.metrics,
      clock: this.engine.clock,
      verifyKey: settings.mode === 'sandbox' ? this.access.verifyKey : withoutSandbox(this.access.verifyKey),
      sandboxTenant: settings.mode === 'sandbox' ? SANDBOX_TENANT : undefined,
      readiness: [
        { name: 'database', check: () => databaseLack(this.#checks) },
        { name: 'log', check: () => this.engine.seenHeads.lack },
      ],
      version,
    });
  }
}
