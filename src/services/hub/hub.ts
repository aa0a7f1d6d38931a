/** All of the hub in one process, put together: steps, calls, webhooks. Its routes are there in every process. */

import type { Clock } from '#kernel/clock.ts';
import type { Chore } from '#platform/batch/chore.ts';
import { forgettingChore } from '#platform/batch/forgetting.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { Egress } from '#platform/egress/egress.ts';
import { type Reach, refusalOfUrl } from '#platform/egress/reachable.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import { FinalStates } from '#platform/http/final-states.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Vault } from '#platform/vault/vault.ts';
import { FORGET_CALLS } from './calls/call-store.ts';
import { Caller, type PlaceOrder } from './calls/caller.ts';
import { Dispatcher, PER_DESTINATION } from './calls/dispatcher.ts';
import { createReports, type Reports } from './calls/reports.ts';
import { Secrets } from './calls/secrets.ts';
import { Sweeper } from './calls/sweeper.ts';
import type { LastroPart } from './connector.ts';
import { registerConnectorRoutes } from './connector-routes.ts';
import { Connectors } from './connectors.ts';
import { Evaluator } from './evaluation/evaluator.ts';
import { forgetOld } from './forget-old.ts';
import { HookDesk } from './hooks/hook-desk.ts';
import { createHookIntake, type HookIntake } from './hooks/hook-intake.ts';
import { HookReads } from './hooks/hook-reads.ts';
import { registerHookRoutes } from './hooks/hook-routes.ts';
import { FORGET_HOOKS } from './hooks/hook-store.ts';
import type { HubOrder } from './hub-orders.ts';
import { type Integration, isEnded } from './integration.ts';
import { registerIntegrationRoutes } from './integration-routes.ts';
import type { NoteDestination } from './letters/caller-watch.ts';
import { HubLetters } from './letters/hub-letters.ts';
import { OverdueSweeper } from './overdue/overdue-sweeper.ts';
import { HubReads } from './reads.ts';
import type { StepCommitted } from './steps/step.ts';
import { stepConsumers } from './steps/steps.ts';

export interface HubOptions {
  readonly log: EventLog;
  readonly openSession: (name: string) => Session;
  readonly reader: Reader;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly random: () => number;
  readonly batchMax: number;
  /** How long calls that have ended, and webhooks of which nothing was taken, are kept. */
  readonly retentionMs: number;
  readonly observer: BatchObserver;
  readonly reach: Reach;
  readonly orders: Readonly<Record<LastroPart, PlaceOrder>>;
  /** Webhooks of one connector on this process; 0 is no limit. */
  readonly hooksPerSecond: number;
  /** For what waits for the return of a destination. */
  readonly noteDestination: NoteDestination;
  readonly onEnded: (integration: Integration) => void;
  readonly onError: (error: unknown) => void;
}

export class Hub {
  readonly consumers;
  readonly #connectors: Connectors;
  readonly #reads: HubReads;
  /** What callers wait for. */
  readonly ends: FinalStates<Integration>;
  readonly #evaluator = new Evaluator();
  readonly #egress: Egress;
  readonly #secrets: Secrets;
  readonly #desk: HookDesk;
  readonly #hooks: HookIntake;
  readonly #reports: Reports;
  readonly #dispatcher: Dispatcher;
  readonly #sweeper: Sweeper;
  readonly #overdue: OverdueSweeper;
  readonly #forgetting: Chore;
  readonly #options: HubOptions;
  readonly letters: HubLetters;

  constructor(options: HubOptions) {
    const { reader, vault, reach, orders, openSession, clock, noteDestination } = options;
    this.#options = options;
    this.#connectors = new Connectors(reader);
    this.#reads = new HubReads(reader);
    this.ends = new FinalStates((tenant, uuid) => this.#reads.find(tenant, uuid), isEnded);
    this.#egress = new Egress({ reach, perDestination: PER_DESTINATION });
    this.#secrets = new Secrets(vault);
    const connectors = this.#connectors;
    this.#hooks = createHookIntake({ ...options, session: openSession('hub.hooks') });
    this.#desk = new HookDesk({
      connectors,
      secrets: this.#secrets,
      intake: this.#hooks,
      clock,
      limitPerSecond: options.hooksPerSecond,
    });
    const onCommitted = (committed: StepCommitted): void => this.#noteCommitted(committed);
    this.#reports = createReports({
      ...options,
      session: openSession('hub.reports'),
      connectors,
      onCommitted,
    });
    this.#dispatcher = new Dispatcher({
      ...options,
      connectors,
      caller: new Caller({
        egress: this.#egress,
        secrets: this.#secrets,
        orders,
        note: noteDestination,
        onError: options.onError,
      }),
      report: (report) => this.#reports.submit(report),
    });
    const session = openSession('hub.sweeper');
    this.#sweeper = new Sweeper({ ...options, session, dispatcher: this.#dispatcher });
    this.#forgetting = forgettingChore({
      ...options,
      forgetPage: async () =>
        (await forgetOld(FORGET_CALLS, { ...options, session })) ||
        (await forgetOld(FORGET_HOOKS, { ...options, session })),
    });
    this.#overdue = new OverdueSweeper({ ...options, session: openSession('hub.overdue') });
    this.#egress.onBack((destination) => this.#sweeper.noteBack(destination));
    this.letters = new HubLetters({
      log: options.log,
      reads: this.#reads,
      connectors,
      evaluator: this.#evaluator,
    });
    this.consumers = stepConsumers({
      connectors,
      evaluator: this.#evaluator,
      hasRoomFor: (tenant) => this.#dispatcher.hasRoomFor(tenant),
      observer: options.observer,
      onCommitted,
    });
  }

  /** What takes requests in; in every process. */
  open(): void {
    this.#hooks.start();
  }

  /** What works on them. */
  start(): void {
    this.#reports.start();
    this.#sweeper.start();
    this.#overdue.start();
    this.#forgetting.start();
  }

  /** Before the consumers: what tenants wrote may take minutes, and is evaluated again where the events are taken up. */
  async stopEvaluating(): Promise<void> {
    await this.#evaluator.close();
  }

  /** After the consumers. */
  async stop(): Promise<void> {
    await this.#overdue.stop();
    await this.#forgetting.stop();
    await this.#sweeper.stop();
    await this.#dispatcher.stop();
    await this.#reports.stop();
    await this.#hooks.stop();
    await this.#egress.close();
    await this.#evaluator.close();
  }

  registerRoutes(app: HttpApp, commands: CommandQueue<HubOrder>): void {
    const { reach } = this.#options;
    const shared = { commands, connectors: this.#connectors, reads: this.#reads, ends: this.ends };
    registerConnectorRoutes(app, {
      ...shared,
      evaluator: this.#evaluator,
      refusalOf: (url) => refusalOfUrl(url, reach),
    });
    registerIntegrationRoutes(app, shared);
    registerHookRoutes(app, {
      ...shared,
      desk: this.#desk,
      secrets: this.#secrets,
      hooks: new HookReads(this.#options.reader),
    });
  }

  #noteCommitted({ integrations, calls }: StepCommitted): void {
    for (const call of calls) if (call.state === 'sending') this.#dispatcher.take(call);
    const ended = integrations.filter(({ status }) => isEnded(status));
    this.ends.noteChanges(ended);
    for (const integration of ended) this.#options.onEnded(integration);
  }
}
