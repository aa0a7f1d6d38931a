/**
 * The service of payment providers over a database and gateways of its own: the coordinator's events are written into its
 * log as the coordinator would, and read by processes as the product would run them.
 */
import { Client } from 'pg';
import { vi } from 'vitest';
import { type Clock, systemClock } from '#kernel/clock.ts';
import { newId } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import { CommandWorker } from '#platform/batch/command-worker.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import { type Answer, IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { prepareAppend, sendAppend } from '#platform/log/append.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { prepareInstallation } from '#platform/log/installation.ts';
import { isTransient } from '#platform/postgres/faults.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import type { AttemptChanges } from '#services/providers/attempts.ts';
import type { Configuration, ProviderTerms } from '#services/providers/configuration.ts';
import type { HttpSender } from '#services/providers/http-sender.ts';
import { Providers } from '#services/providers/providers.ts';
import { RefundResolutions } from '#services/providers/refund-resolutions.ts';
import type { RefundResolutionOrder } from '#services/providers/resolve-refund.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { ModelGateway } from './model-gateway.ts';
import { PATIENCE } from './patience.ts';

const PARTITIONS = 4;
export const TENANT = 'acme';

export interface ProcessOptions {
  readonly clock?: Clock;
  readonly openSender?: (terms: ProviderTerms) => HttpSender;
  /** Default: whatever it was given by `own`. */
  readonly isOwned?: (partition: number) => boolean;
  /** Default true: it reads the coordinator's log, and takes what is due. */
  readonly owns?: boolean;
  readonly timeoutMs?: number;
  readonly routes?: Configuration['routes'];
  readonly canVoid?: boolean;
  readonly concurrency?: number;
  readonly settlesWithinMs?: number;
  readonly chargeDeadlineMs?: number;
  /** In the file that it read; default both. */
  readonly known?: readonly string[];
}

export interface ProviderParts {
  readonly database: Pick<TestDatabase, 'url'>;
  readonly log: EventLog;
  readonly reader: ReadPool;
  readonly configuration: Configuration;
}

export class ProviderProcess {
  readonly providers: Providers;
  readonly failures: unknown[] = [];
  readonly #sessions: Session[] = [];
  readonly #worker: { own(partitions: readonly number[]): void; start(): void; stop(): Promise<void> };
  #owns: boolean;
  #isKilled = false;

  constructor(parts: ProviderParts, options: ProcessOptions) {
    const { log } = parts;
    const machine = {
      log,
      clock: options.clock ?? systemClock,
      random: Math.random,
      batchMax: 500,
      observer: {
        committed: () => undefined,
        failed: (_worker: string, error: unknown) => this.#note(error),
      },
    };
    this.providers = new Providers({
      ...machine,
      ...options,
      configuration: parts.configuration,
      openSession: (name) => this.#session(parts.database.url, name),
      reader: parts.reader,
      telemetry: { called: () => undefined, decided: () => undefined },
      isOwned: options.isOwned ?? (() => this.#owns && !this.#isKilled),
      onError: (error) => this.#note(error),
    });
    this.#worker = new ConsumerWorker({
      ...machine,
      consumer: { ...this.providers.consumer, paceMs: 0 },
      session: this.#session(parts.database.url, 'providers'),
    });
    this.#owns = options.owns ?? true;
    this.own(this.#owns);
    this.providers.start();
    this.#worker.start();
  }

  /** Whether all partitions are its, from now on. */
  own(isOwner: boolean): void {
    this.#owns = isOwner;
    const partitions = isOwner ? Array.from({ length: PARTITIONS }, (_, partition) => partition) : [];
    this.#worker.own(partitions);
    this.providers.own(partitions);
  }

  /** As kill −9 does it: nothing is finished, nothing reported. */
  kill(): void {
    this.#isKilled = true;
    this.own(false);
    for (const session of this.#sessions) {
      void session.close();
      session.transaction = () => new Promise(() => undefined);
      session.query = () => new Promise(() => undefined);
    }
  }

  async stop(): Promise<void> {
    if (this.#isKilled) return;
    await this.#worker.stop();
    await this.providers.stop();
    await Promise.all(this.#sessions.map((session) => session.close()));
  }

  #session(url: string, name: string): Session {
    const session = new Session({ url, name });
    this.#sessions.push(session);
    return session;
  }

  #note(error: unknown): void {
    if (!isTransient(error)) this.failures.push(error);
  }
}

export interface ToldEvent {
  readonly type: string;
  readonly causation: string;
  readonly identity: string;
  readonly data: JsonObject;
}

export class ProvidersFixture {
  readonly alfa: ModelGateway;
  readonly beta: ModelGateway;
  readonly owner: Client;
  readonly database: TestDatabase;
  readonly reader: ReadPool;
  readonly #log: EventLog;
  readonly #sessions: Session[];
  readonly #writer: Session;
  readonly #processes: ProviderProcess[] = [];
  readonly #commands: { stop(): Promise<void> }[] = [];

  private constructor(options: {
    database: TestDatabase;
    gateways: readonly [ModelGateway, ModelGateway];
    owner: Client;
    log: EventLog;
    heads: Session;
  }) {
    this.database = options.database;
    [this.alfa, this.beta] = options.gateways;
    this.owner = options.owner;
    this.#log = options.log;
    this.#writer = new Session({ url: options.database.url, name: 'coordinator' });
    this.#sessions = [options.heads, this.#writer];
    this.reader = new ReadPool({ url: options.database.url, onError: rethrow });
  }

  static async open(): Promise<ProvidersFixture> {
    const database = await createProductDatabase();
    await prepareInstallation(database.url, TOPOLOGY, PARTITIONS);
    const owner = new Client({ connectionString: database.url, pipeline: true });
    await owner.connect();
    const heads = new Session({ url: database.url, name: 'heads' });
    const log = await EventLog.open({
      session: heads,
      topics: ['authorization', 'providers'],
      partitions: PARTITIONS,
      onError: rethrow,
    });
    const gateways = [await ModelGateway.open(), await ModelGateway.open()] as const;
    return new ProvidersFixture({ database, gateways, owner, log, heads });
  }

  configuration(options: ProcessOptions = {}): Configuration {
    const provider = (name: string, gateway: ModelGateway): ProviderTerms => ({
      name,
      url: gateway.url,
      apiKey: 'key',
      webhookSecret: gateway.secret,
      timeoutMs: options.timeoutMs ?? 300,
      concurrency: options.concurrency ?? 50,
      canVoid: options.canVoid ?? true,
      settlesWithinMs: options.settlesWithinMs ?? 60_000,
    });
    const everything = { currencies: null, minAmount: 1, maxAmount: Number.MAX_SAFE_INTEGER };
    return {
      providers: [provider('alfa', this.alfa), provider('beta', this.beta)].filter(
        ({ name }) => options.known?.includes(name) !== false,
      ),
      routes: options.routes ?? [{ ...everything, providers: ['alfa', 'beta'] }],
    };
  }

  /** The worker of what persons say of refunds. */
  refundResolutions(
    renderProblem: (problem: Problem) => Answer,
    onCommitted: (changes: AttemptChanges) => void = () => undefined,
  ): CommandQueue<RefundResolutionOrder> {
    const session = new Session({ url: this.database.url, name: 'providers.intake' });
    this.#sessions.push(session);
    const worker = new CommandWorker({
      name: 'providers.intake',
      topic: 'providers',
      handler: new RefundResolutions({ renderProblem, onCommitted }),
      idempotency: new IdempotencyStore('providers'),
      keyReused: () => ({ status: 422, body: '{}' }),
      log: this.#log,
      session,
      clock: systemClock,
      random: Math.random,
      batchMax: 100,
      delayMs: () => 0,
      observer: { committed: () => undefined, failed: (_worker, error) => rethrow(error) },
    });
    worker.start();
    this.#commands.push(worker);
    return worker;
  }

  /** A process of the service, with connections of its own. */
  process(options: ProcessOptions = {}): ProviderProcess {
    const parts = { database: this.database, log: this.#log, reader: this.reader };
    const process = new ProviderProcess({ ...parts, configuration: this.configuration(options) }, options);
    this.#processes.push(process);
    return process;
  }

  /** As the coordinator says it; several of one call are in one commit. */
  async say(
    ...events: readonly {
      readonly type: string;
      readonly subject: string;
      readonly data: JsonObject;
      readonly version?: number;
    }[]
  ): Promise<void> {
    const drafts = events.map(({ type, subject, data, version = 1 }) => ({
      type,
      version,
      subject,
      tenant: TENANT,
      key: 'wallet',
      data,
      correlationId: `cor-${subject}`,
      causation: 'req',
      traceparent: null,
    }));
    let appended: ReturnType<typeof sendAppend> | undefined;
    await this.#writer.transaction(async (tx) => {
      appended = sendAppend(
        tx,
        prepareAppend({ topic: 'authorization', partitions: PARTITIONS, occurredAt: Date.now(), drafts }),
      );
      await appended;
    });
    if (appended !== undefined) this.#log.publish(await appended);
  }

  /** A payment that the coordinator has authorized; its id. */
  async authorize(terms: { readonly amount?: number; readonly currency?: string } = {}): Promise<string> {
    const subject = newId('pay');
    await this.say({
      type: 'payment.authorized',
      version: 2,
      subject,
      data: { ...termsOf(terms), hold_id: subject.replace('pay_', 'hld_') },
    });
    return subject;
  }

  async told(subject: string): Promise<ToldEvent[]> {
    const { rows } = await this.owner.query<{
      type: string;
      causation: string;
      identity: string;
      data: string;
    }>(
      `select type, causation, 'providers/' || partition || '/' || position as identity, data
       from providers.events where subject = $1 order by position`,
      [subject],
    );
    return rows.map((row) => ({ ...row, data: JSON.parse(row.data) as JsonObject }));
  }

  async types(subject: string): Promise<string[]> {
    return (await this.told(subject)).map(({ type }) => type);
  }

  /** Resolves when the event has been told of the subject, with all that has been told. */
  async hears(subject: string, type: string): Promise<string[]> {
    await vi
      .waitUntil(async () => (await this.types(subject)).includes(type), PATIENCE)
      .catch(async () => {
        throw new Error(
          `${type} was not told; told was ${(await this.types(subject)).join(', ')}; ${JSON.stringify(await this.rows(subject))}`,
        );
      });
    return this.types(subject);
  }

  async rows(
    subject: string,
  ): Promise<
    { id: string; state: string; provider: string; number: number; kind: string; due_at: Date | null }[]
  > {
    const { rows } = await this.owner.query<{
      id: string;
      state: string;
      provider: string;
      number: number;
      kind: string;
      due_at: Date | null;
    }>('select * from providers.attempts where subject = $1 order by kind, number', [subject]);
    return rows;
  }

  /** What waits for its time need not. */
  async hasten(subject: string): Promise<void> {
    await this.owner.query(
      `update providers.attempts set due_at = now() - interval '1 second', send_before = send_before - interval '1 hour'
       where subject = $1 and due_at is not null`,
      [subject],
    );
  }

  async waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
    await vi.waitUntil(condition, PATIENCE);
  }

  /** What they left waiting is nobody's: the next ones would take it, and a test would count what is another's. */
  async stopProcesses(): Promise<void> {
    await Promise.all(this.#processes.splice(0).map((process) => process.stop()));
    await this.owner.query('update providers.attempts set due_at = null where due_at is not null');
  }

  async close(): Promise<void> {
    await this.stopProcesses();
    await Promise.all(this.#commands.map((worker) => worker.stop()));
    await this.#log.close();
    await Promise.all(this.#sessions.map((session) => session.close()));
    await this.reader.close();
    await this.owner.end();
    await Promise.all([this.alfa.close(), this.beta.close()]);
    await this.database.drop();
  }
}

export function termsOf({ amount = 100, currency = 'USD' }: { amount?: number; currency?: string } = {}) {
  return { wallet_id: 'wallet', service_id: 'service', amount, currency, method: 'gateway' };
}

function rethrow(error: unknown): void {
  throw error;
}
