/**
 * Outbound webhooks over a database of their own: events are written into the logs as their services would, processes run the
 * real consumer, sender and API, and receivers are real HTTP servers.
 */
import { Writable } from 'node:stream';
import { Client } from 'pg';
import { vi } from 'vitest';
import { newId } from '#kernel/ids.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import { Egress } from '#platform/egress/egress.ts';
import { createHttpApp, type HttpApp } from '#platform/http/http-app.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { isTransient } from '#platform/postgres/faults.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { createLogger } from '#platform/telemetry/logger.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { generateSecretKey, requireSecretKeys } from '#platform/vault/secret-key.ts';
import { Vault } from '#platform/vault/vault.ts';
import { Webhooks } from '#services/notification/webhooks/webhooks.ts';
import { SERVICE_PROBLEMS } from '../src/problems.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { appendEvents } from './append-events.ts';
import { createPreparedDatabase, type TestDatabase } from './database.ts';
import { DeadLetterDesk } from './dead-letter-desk.ts';
import { PATIENCE } from './patience.ts';
import { WebhookReceiver } from './webhook-receiver.ts';

export const PARTITIONS = 4;
export const RETENTION_MS = 90 * 86_400_000;
export const TENANT = 'acme';
export const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

export interface TestClock {
  now(): number;
}

export interface Answered {
  readonly status: number;
  /** Empty where there is none. */
  readonly body: Record<string, unknown> & {
    readonly id: string;
    readonly secret: string;
    readonly code: string;
  };
}

interface ProcessOptions {
  readonly reach?: 'anywhere' | 'public';
  /** Default all. */
  readonly partitions?: readonly number[];
}

export class WebhookProcess {
  readonly failures: unknown[];
  readonly app: HttpApp;
  readonly #webhooks: Webhooks;
  readonly #worker: ConsumerWorker<unknown, { drafts: [] }>;
  readonly #letters: DeadLetterDesk;
  readonly #sessions: Session[];
  #isKilled = false;

  private constructor(parts: {
    app: HttpApp;
    webhooks: Webhooks;
    worker: ConsumerWorker<unknown, { drafts: [] }>;
    letters: DeadLetterDesk;
    sessions: Session[];
    failures: unknown[];
  }) {
    this.app = parts.app;
    this.#webhooks = parts.webhooks;
    this.#worker = parts.worker;
    this.#letters = parts.letters;
    this.#sessions = parts.sessions;
    this.failures = parts.failures;
  }

  static async start(
    world: WebhookWorld,
    { reach = 'anywhere', partitions }: ProcessOptions,
  ): Promise<WebhookProcess> {
    const { database, log, reader, clock, vault } = world;
    const failures: unknown[] = [];
    const onError = (error: unknown): void => {
      if (!isTransient(error)) failures.push(error);
    };
    const sessions: Session[] = [];
    const openSession = (name: string): Session => {
      const session = new Session({ url: database.url, name });
      sessions.push(session);
      return session;
    };
    const machine = {
      log,
      clock,
      random: Math.random,
      batchMax: 500,
      observer: {
        committed: () => undefined,
        failed: (_name: string, error: unknown) => onError(error),
        deadLettered: (group: string, letter: object) => void world.buried.push({ group, ...letter }),
      },
    };
    const letters = new DeadLetterDesk({ ...machine, reader, openSession, onError });
    const webhooks = new Webhooks({
      ...machine,
      session: openSession('webhooks.desk'),
      openSession,
      reader,
      vault,
      egress: new Egress({ reach }),
      retentionMs: RETENTION_MS,
      keyReused: (pointers) => ({ status: 422, body: JSON.stringify({ pointers }) }),
      onAttempt: () => undefined,
      noteDestination: (destination, isDelivered) => letters.note(destination, isDelivered),
      onError,
    });
    const worker = new ConsumerWorker({
      ...machine,
      consumer: { ...webhooks.consumer, paceMs: 0 },
      session: openSession('webhooks'),
    }) as ConsumerWorker<unknown, { drafts: [] }>;
    const app = await openApp();
    webhooks.registerRoutes(app);
    letters.serve(webhooks.consumer, webhooks.letters);
    letters.registerRoutes(app);
    await app.ready();
    const own = partitions ?? Array.from({ length: PARTITIONS }, (_, partition) => partition);
    worker.own(own);
    letters.own(webhooks.consumer.group, own);
    letters.start();
    await webhooks.start();
    worker.start();
    return new WebhookProcess({ app, webhooks, worker, letters, sessions, failures });
  }

  async call(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    payload?: object,
    tenant = TENANT,
  ): Promise<Answered> {
    const answer = await this.app.inject({
      method,
      url,
      ...(payload === undefined ? {} : { payload }),
      headers: { authorization: `Bearer ${tenant}`, host: 'localhost' },
    });
    return { status: answer.statusCode, body: answer.body === '' ? ({} as Answered['body']) : answer.json() };
  }

  /** As kill −9 does it: nothing is finished, nothing reported. */
  kill(): void {
    this.#isKilled = true;
    this.#worker.own([]);
    for (const session of this.#sessions) {
      void session.close();
      session.transaction = () => new Promise(() => undefined);
      session.query = () => new Promise(() => undefined);
    }
  }

  /** Rejects if anything failed that a test has not asked for. */
  async stop(): Promise<void> {
    await this.app.close();
    if (this.#isKilled) return;
    await this.#letters.stop();
    await this.#worker.stop();
    await this.#webhooks.stop();
    await Promise.all(this.#sessions.map((session) => session.close()));
    if (this.failures.length > 0) throw this.failures[0];
  }
}

function openApp(): Promise<HttpApp> {
  return createHttpApp({
    settings: { bodyLimitBytes: 1024 * 1024, rateLimitPerSecond: 0 },
    problems: SERVICE_PROBLEMS,
    logger: createLogger({
      level: 'fatal',
      to: new Writable({ write: (_chunk, _encoding, done) => done() }),
    }),
    metrics: createMetrics({ defaults: false }),
    clock: { now: () => Date.now() },
    verifyKey: (tenant) => ({ tenant, keyId: 'key_1', scopes: new Set(['*']) }),
    sandboxTenant: undefined,
    readiness: [],
    version: '1.2.3',
  });
}

export class WebhookWorld {
  readonly database: TestDatabase;
  readonly log: EventLog;
  readonly reader: ReadPool;
  readonly owner: Client;
  readonly vault: Vault;
  readonly receiver: WebhookReceiver;
  /** What the processes have told of as given up. */
  readonly buried: object[] = [];
  readonly clock: TestClock = { now: () => Date.now() + this.#aheadMs };
  readonly #heads: Session;
  readonly #processes: WebhookProcess[] = [];
  #aheadMs = 0;

  private constructor(options: {
    database: TestDatabase;
    log: EventLog;
    owner: Client;
    heads: Session;
    receiver: WebhookReceiver;
  }) {
    this.database = options.database;
    this.log = options.log;
    this.owner = options.owner;
    this.#heads = options.heads;
    this.receiver = options.receiver;
    this.reader = new ReadPool({ url: options.database.url, onError: rethrow });
    this.vault = new Vault({
      db: this.reader,
      clock: this.clock,
      keys: requireSecretKeys(generateSecretKey()),
    });
  }

  static async open(): Promise<WebhookWorld> {
    const database = await createPreparedDatabase(PARTITIONS);
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    const heads = new Session({ url: database.url, name: 'heads' });
    const log = await EventLog.open({
      session: heads,
      topics: TOPOLOGY.topics,
      partitions: PARTITIONS,
      onError: rethrow,
    });
    return new WebhookWorld({ database, log, owner, heads, receiver: await WebhookReceiver.open() });
  }

  async process(options: ProcessOptions = {}): Promise<WebhookProcess> {
    const process = await WebhookProcess.start(this, options);
    this.#processes.push(process);
    return process;
  }

  /** What is due by then is due now. */
  advance(ms: number): void {
    this.#aheadMs += ms;
  }

  resetClock(): void {
    this.#aheadMs = 0;
  }

  /** As the coordinator would say it of a payment; all in one commit. */
  async say(subject: string, types: readonly string[], tenant = TENANT): Promise<void> {
    const topic = types[0]?.startsWith('card.') === true ? 'cards' : 'authorization';
    await this.append(
      topic,
      types.map((type, index) => ({ type, subject, tenant, data: { amount: 100 + index } })),
    );
  }

  async append(
    topic: string,
    events: readonly { type: string; subject: string; tenant?: string; data: JsonObject }[],
  ): Promise<void> {
    await appendEvents(
      { url: this.database.url, partitions: PARTITIONS, at: this.clock.now() },
      topic,
      events.map(({ type, subject, tenant = TENANT, data }) => ({
        type,
        version: 1,
        subject,
        tenant,
        key: subject,
        data,
        correlationId: `cor-${subject}`,
        causation: 'req',
        traceparent: TRACE,
      })),
    );
  }

  async waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
    await vi.waitUntil(condition, PATIENCE);
  }

  async stopProcesses(): Promise<void> {
    await Promise.all(this.#processes.splice(0).map((process) => process.stop()));
  }

  async close(): Promise<void> {
    await this.stopProcesses();
    await this.receiver.close();
    await this.log.close();
    await this.#heads.close();
    await this.reader.close();
    await this.owner.end();
    await this.database.drop();
  }
}

export function paymentId(): string {
  return newId('pay');
}

function rethrow(error: unknown): void {
  throw error;
}
