/**
 * Payments as their callers and the saga meet them, over the workers of an engine: the API of payments and of what
 * changes them, by command workers of their own. The coordinator, the ledger and the integrity service are
 * silent; what the coordinator would say is put into its log by hand.
 */
import { Client } from 'pg';
import { systemClock } from '#kernel/clock.ts';
import { newId } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { CommandWorker } from '#platform/batch/command-worker.ts';
import { FinalStates } from '#platform/http/final-states.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { edgeProblems, mergeProblems } from '#platform/http/problems.ts';
import { renderProblem } from '#platform/http/render-problem.ts';
import { type Answer, IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { prepareAppend, sendAppend } from '#platform/log/append.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { NotificationReads } from '#services/notification/reads.ts';
import { registerNotificationRoutes } from '#services/notification/routes.ts';
import type { ChangeOrder } from '#services/payments/change-orders.ts';
import { registerPaymentChangeRoutes } from '#services/payments/change-routes.ts';
import { isFinal, type PaymentOrder } from '#services/payments/payment.ts';
import { PaymentChanges } from '#services/payments/payment-changes.ts';
import { PaymentIntake } from '#services/payments/payment-intake.ts';
import { paymentProblems } from '#services/payments/problems.ts';
import { PaymentReads } from '#services/payments/reads.ts';
import type { Refund } from '#services/payments/refund.ts';
import { RefundReads } from '#services/payments/refund-reads.ts';
import { registerRefundRoutes } from '#services/payments/refund-routes.ts';
import { registerPaymentRoutes } from '#services/payments/routes.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, startEngine, TENANT } from './engine.ts';
import { createRouteApp } from './route-app.ts';

const PROBLEMS = mergeProblems(edgeProblems, paymentProblems);

const LISTENING = ['validation', 'payments', 'notification'];
/** What the integrity service makes of a saga that is told in part is not asked. */
const SILENT = ['authorization', 'ledger', 'integrity'];

/** Whose request it is, under which key, and what else its headers say. */
export interface Asked {
  readonly tenant?: string;
  readonly scopes?: string;
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An event of the coordinator's; the wallet is its key. */
export interface Word {
  readonly type: string;
  readonly subject: string;
  readonly data: JsonObject;
  readonly version?: number;
  readonly key?: string;
  readonly occurredAt?: number;
}

export class PaymentDesk {
  readonly engine: Engine;
  readonly reads: ReadPool;
  readonly owner: Client;
  readonly app: HttpApp;
  readonly url: string;
  readonly #database: TestDatabase;
  readonly #sessions: Session[] = [];
  readonly #workers: { stop(): Promise<void> }[] = [];

  private constructor(options: { database: TestDatabase; engine: Engine; owner: Client; app: HttpApp }) {
    this.#database = options.database;
    this.url = options.database.url;
    this.engine = options.engine;
    this.owner = options.owner;
    this.app = options.app;
    this.reads = new ReadPool({ url: this.url, onError: rethrow });
  }

  /** With a wallet and a service in USD, for each of two tenants. */
  static async open(): Promise<PaymentDesk> {
    const database = await createProductDatabase();
    const engine = await startEngine(database.url, { gateways: true });
    for (const group of SILENT) engine.pause(group);
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    const desk = new PaymentDesk({ database, engine, owner, app: await createApp() });
    await desk.#serve();
    for (const tenant of [TENANT, 'globex'])
      await engine.openAccounts(
        [
          { id: 'wallet', kind: 'wallet', fundedMinor: 100_000n },
          { id: 'service', kind: 'service' },
        ],
        tenant,
      );
    return desk;
  }

  async #serve(): Promise<void> {
    const reads = new PaymentReads(this.reads);
    const refunds = new RefundReads(this.reads);
    const finalStates = new FinalStates((tenant, uuid) => reads.find(tenant, uuid), isFinal);
    const refundEnds = new FinalStates<Refund>((tenant, uuid) => refunds.find(tenant, uuid), isFinal);
    const intake = this.#worker<PaymentOrder>(
      new PaymentIntake({ renderProblem: renderAnswer, gateways: true }),
    );
    const admission = { obstacle: () => undefined, findDecided: () => Promise.resolve(undefined) };
    registerPaymentRoutes(this.app, { intake, admission, reads, finalStates });
    const changes = this.#worker<ChangeOrder>(new PaymentChanges({ renderProblem: renderAnswer }));
    registerPaymentChangeRoutes(this.app, { changes, finalStates, refundEnds });
    registerRefundRoutes(this.app, { reads, refunds });
    registerNotificationRoutes(this.app, new NotificationReads(this.reads));
    await this.app.ready();
  }

  /** Another process: a worker with a connection of its own. Resolves to what is answered. */
  process(): (order: ChangeOrder) => Promise<Answer> {
    const worker = this.#worker<ChangeOrder>(new PaymentChanges({ renderProblem: renderAnswer }));
    return async (body) => {
      const outcome = await worker.submit({
        operation: body.operation,
        tenant: TENANT,
        idempotencyKey: newId('req'),
        body,
        id: newId('ref'),
        requestId: newId('req'),
        correlationId: newId('cor'),
        traceparent: null,
      });
      return outcome.answer;
    };
  }

  #worker<Body>(
    handler: ConstructorParameters<typeof CommandWorker<Body, unknown, unknown>>[0]['handler'],
  ): CommandWorker<Body, unknown, unknown> {
    const session = new Session({ url: this.url, name: 'payments.changes' });
    this.#sessions.push(session);
    const worker = new CommandWorker<Body, unknown, unknown>({
      name: 'payments.changes',
      topic: 'payments',
      handler,
      idempotency: new IdempotencyStore('payments'),
      keyReused: (pointers) => renderAnswer(keyReused(pointers)),
      log: this.engine.log,
      session,
      clock: systemClock,
      random: Math.random,
      batchMax: 20,
      delayMs: () => 0,
      observer: { committed: () => undefined, failed: () => undefined },
    });
    worker.start();
    this.#workers.push(worker);
    return worker;
  }

  get(url: string, asked: Asked = {}) {
    return this.app.inject({ method: 'GET', url, headers: headersOf(asked) });
  }

  /** Without a body, if there is none: as `curl -X POST` sends it. */
  post(url: string, body?: JsonObject, asked: Asked = {}) {
    const headers = { 'idempotency-key': asked.key ?? newId('req'), ...headersOf(asked) };
    if (body === undefined) return this.app.inject({ method: 'POST', url, headers });
    return this.app.inject({
      method: 'POST',
      url,
      headers: { ...headers, 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    });
  }

  /** Puts the words into the coordinator's log, each in a commit of its own, and lets every reader take them. */
  async say(...words: readonly Word[]): Promise<void> {
    const session = new Session({ url: this.url, name: 'tests' });
    for (const word of words) {
      const append = prepareAppend({
        topic: 'authorization',
        partitions: this.engine.log.partitions,
        occurredAt: word.occurredAt ?? Date.now(),
        drafts: [draftOf(word)],
      });
      await session.transaction((tx) => sendAppend(tx, append));
    }
    await session.close();
    this.engine.log.wake();
    await this.settled();
  }

  /** Resolves when everybody who listens has read every log to its end. */
  settled(): Promise<void> {
    return this.engine.settled(LISTENING);
  }

  async rows(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return (await this.owner.query<Record<string, unknown>>(sql, values)).rows;
  }

  async close(): Promise<void> {
    await this.app.close();
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.engine.close();
    await Promise.all(this.#sessions.map((session) => session.close()));
    await this.reads.close();
    await this.owner.end();
    await this.#database.drop();
  }
}

function createApp(): Promise<HttpApp> {
  return createRouteApp({ problems: paymentProblems, keyId: 'key_of_a_person' });
}

function headersOf({ tenant = TENANT, scopes = '*', headers = {} }: Asked): Record<string, string> {
  return { authorization: `Bearer lk_${tenant}_${scopes}`, ...headers };
}

function draftOf({ type, subject, data, version = 1, key = 'wallet' }: Word): EventDraft {
  const cause = { correlationId: newId('cor'), causation: 'validation/0/1', traceparent: null };
  return { type, version, subject, tenant: TENANT, key, data, ...cause };
}

function renderAnswer(refusal: Problem): { status: number; body: string } {
  const { status, body } = renderProblem(PROBLEMS, refusal);
  return { status, body };
}

function keyReused(pointers: readonly string[]): Problem {
  const errors = pointers.map((pointer) => ({ pointer, code: 'differs', detail: 'differs' }));
  return problem('payments.idempotency_key_reused', 'The key was used before with a body that differs.', {
    errors,
  });
}

function rethrow(error: unknown): void {
  throw error;
}
