/**
 * The service put together: attempts are begun by its consumer, called by its dispatcher, decided by its reports, and
 * brought back by its sweeper. The composition root gives it sessions, a clock and a configuration, and starts it.
 */
import type { Clock } from '#kernel/clock.ts';
import { invariant } from '#kernel/fault.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import { gatewayPayment } from '#sagas/gateway-payment.ts';
import { gatewayRefund } from '#sagas/gateway-refund.ts';
import type { SagaDefinition } from '#sagas/saga.ts';
import type { AttemptChanges } from './attempts.ts';
import { CallbackDesk } from './callbacks.ts';
import type { Configuration, ProviderTerms } from './configuration.ts';
import { providerConsumer } from './consumer.ts';
import { Dispatcher } from './dispatcher.ts';
import { type HttpSender, httpSender } from './http-sender.ts';
import { type GateStatus, ProviderGate } from './provider-gate.ts';
import { AttemptReads } from './reads.ts';
import { registerRefundResolution } from './refund-resolution-route.ts';
import { createReports, type Reports } from './reports.ts';
import type { RefundResolutionOrder } from './resolve-refund.ts';
import { registerProviderRoutes } from './routes.ts';
import { type Routing, routingOf } from './routing.ts';
import { Sweeper } from './sweeper.ts';
import type { ProviderObserver } from './telemetry.ts';
import { toDo } from './to-do.ts';

export interface ProvidersOptions {
  readonly configuration: Configuration;
  readonly log: EventLog;
  /** A session of its own for each name. */
  readonly openSession: (name: string) => Session;
  readonly reader: Reader;
  readonly clock: Clock;
  readonly random: () => number;
  /** Most reports in one commit. */
  readonly batchMax: number;
  /** Of the batches of reports. */
  readonly observer: BatchObserver;
  readonly telemetry: ProviderObserver;
  /** Whether this process holds the lease of the partition, at this moment; asked before every charge leaves. */
  readonly isOwned: (partition: number) => boolean;
  /** How long a charge may take until a person is asked, in ms; by default as the saga's definition says. */
  readonly chargeDeadlineMs?: number;
  readonly onError: (error: unknown) => void;
  /** How requests leave; a port for tests. */
  readonly openSender?: (terms: ProviderTerms) => HttpSender;
}

export class Providers {
  /** For a consumer worker of the group `providers`. */
  readonly consumer: ReturnType<typeof providerConsumer>;
  readonly #gates: ReadonlyMap<string, ProviderGate>;
  readonly #reports: Reports;
  readonly #dispatcher: Dispatcher;
  readonly #sweeper: Sweeper;
  readonly #reads: AttemptReads;
  readonly #callbacks: CallbackDesk;
  readonly #telemetry: ProviderObserver;
  readonly #routing: Routing;

  constructor(options: ProvidersOptions) {
    const { configuration, clock, random, onError, telemetry } = options;
    this.#gates = openGates(options, (provider) => this.#sweeper.noteBack(provider));
    this.#routing = routingTo(configuration, this.#gates);
    const decisions = {
      random,
      routing: this.#routing,
      deadlines: deadlinesOf(options),
    };
    this.#reports = createReports({
      ...options,
      decisions,
      session: options.openSession('providers.reports'),
      onCommitted: (changes) => this.#committed(changes),
    });
    const gates = this.#gates;
    const reports = this.#reports;
    this.#dispatcher = new Dispatcher({
      gates,
      reports,
      clock,
      isOwned: options.isOwned,
      onRoom: () => this.#sweeper.noteRoom(),
      onError,
    });
    this.#sweeper = new Sweeper({
      session: options.openSession('providers.sweeper'),
      dispatcher: this.#dispatcher,
      clock,
      random,
      timeoutMs: Math.max(0, ...configuration.providers.map(({ timeoutMs }) => timeoutMs)),
      awaited: () => [...gates.values()].flatMap(({ terms, isAwaited }) => (isAwaited ? [terms.name] : [])),
      onError,
    });
    this.#reads = new AttemptReads(options.reader);
    this.#callbacks = new CallbackDesk({ configuration, reads: this.#reads, reports, clock });
    this.consumer = providerConsumer({
      decisions,
      rooms: () => this.#sweeper.spareRooms(),
      onCommitted: (changes) => this.#committed(changes),
    });
    this.#telemetry = telemetry;
  }

  start(): void {
    this.#reports.start();
    this.#sweeper.start();
  }

  /** The partitions of the group `providers` that this process holds: their attempts are its to take. */
  own(partitions: readonly number[]): void {
    this.#sweeper.own(partitions);
  }

  /** After its consumer's worker has stopped. Answers that are on their way are still taken. */
  async stop(): Promise<void> {
    await this.#sweeper.stop();
    await this.#dispatcher.stop();
    await this.#reports.stop();
  }

  registerRoutes(app: HttpApp, resolutions: CommandQueue<RefundResolutionOrder>): void {
    registerRefundResolution(app, resolutions);
    registerProviderRoutes(app, {
      callbacks: this.#callbacks,
      reads: this.#reads,
      statuses: () => this.statuses(),
    });
  }

  /** What a person's word has made of attempts, committed elsewhere. It leaves nothing to be done here. */
  noteResolved(changes: AttemptChanges): void {
    this.#telemetry.decided(changes);
  }

  statuses(): readonly GateStatus[] {
    return [...this.#gates.values()].map(({ status }) => status);
  }

  /** Charges and refunds whose outcome nobody knows, over all processes. */
  countUnknown(): Promise<number> {
    return this.#reads.countUnknown();
  }

  #committed(changes: AttemptChanges): void {
    this.#telemetry.decided(changes);
    const { sending, dueAt } = toDo(changes, this.#routing);
    for (const attempt of sending) this.#dispatcher.take(attempt, attempt.kind);
    this.#sweeper.wakeAt(dueAt);
  }
}

function openGates(
  options: ProvidersOptions,
  onBack: (provider: string) => void,
): ReadonlyMap<string, ProviderGate> {
  const { configuration, clock, telemetry, openSender = httpSender } = options;
  return new Map(
    configuration.providers.map((terms) => [
      terms.name,
      new ProviderGate({
        terms,
        sender: openSender(terms),
        clock,
        onCalled: (call) => telemetry.called(call),
        onBack: () => onBack(terms.name),
      }),
    ]),
  );
}

/** A provider that lets nothing through just now is passed over, if another is left. */
function routingTo(configuration: Configuration, gates: ReadonlyMap<string, ProviderGate>): Routing {
  return routingOf(configuration, {
    isAvailable: (provider) => gates.get(provider)?.isAvailable === true,
    hasRoom: (provider) => (gates.get(provider)?.room ?? 0) > 0,
    isAwaited: (provider) => gates.get(provider)?.isAwaited === true,
  });
}

function deadlinesOf({ chargeDeadlineMs }: ProvidersOptions) {
  return {
    chargeMs: chargeDeadlineMs ?? deadlineOf(gatewayPayment, 'charge'),
    refundMs: deadlineOf(gatewayRefund, 'provider refund'),
  };
}

function deadlineOf({ stages }: SagaDefinition, name: string): number {
  const stage = stages.find((each) => each.name === name);
  invariant(stage !== undefined, `the saga has no stage ${name}`);
  return stage.deadlineMs;
}
