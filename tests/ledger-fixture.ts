/** The ledger's own machine over a database of its own: its store, its reads, and command workers as separate processes would run them. */
import { Client } from 'pg';
import { vi } from 'vitest';
import { type Clock, systemClock } from '#kernel/clock.ts';
import { newId } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { type CommandOutcome, CommandWorker } from '#platform/batch/command-worker.ts';
import { edgeProblems, mergeProblems } from '#platform/http/problems.ts';
import { renderProblem } from '#platform/http/render-problem.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { prepareInstallation } from '#platform/log/installation.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { LedgerCommands } from '#services/ledger/ledger-commands.ts';
import type { LedgerOrder } from '#services/ledger/orders.ts';
import { ledgerProblems } from '#services/ledger/problems.ts';
import { LedgerReads } from '#services/ledger/reads.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';

export const TENANT = 'acme';

const PARTITIONS = 4;
const BATCH_MAX = 100;
const PROBLEMS = mergeProblems(edgeProblems, ledgerProblems);

/** Who orders, under which key, and the id of what is made, where it matters. */
export type Ordered = { readonly tenant?: string; readonly idempotencyKey?: string; readonly id?: string };

export interface LedgerProcess {
  readonly store: LedgerStore;
  readonly commands: { submit: CommandWorker<LedgerOrder, unknown, unknown>['submit'] };
  order(order: LedgerOrder, more?: Ordered): Promise<CommandOutcome>;
  /** What its batches met and tried again after. */
  readonly failures: readonly unknown[];
}

export class LedgerFixture {
  readonly url: string;
  readonly reads: LedgerReads;
  readonly owner: Client;
  readonly #database: TestDatabase;
  readonly #log: EventLog;
  readonly #pool: ReadPool;
  readonly #sessions: Session[] = [];
  readonly #workers: { stop(): Promise<void> }[] = [];

  private constructor(options: { database: TestDatabase; log: EventLog; heads: Session; owner: Client }) {
    this.#database = options.database;
    this.url = options.database.url;
    this.#log = options.log;
    this.#sessions.push(options.heads);
    this.owner = options.owner;
    this.#pool = new ReadPool({ url: this.url, onError: rethrow });
    this.reads = new LedgerReads(this.#pool);
  }

  /** @internal Use `openLedger`. */
  static async open(): Promise<LedgerFixture> {
    const database = await createProductDatabase();
    await prepareInstallation(database.url, TOPOLOGY, PARTITIONS);
    const heads = new Session({ url: database.url, name: 'heads' });
    const log = await EventLog.open({
      session: heads,
      topics: ['ledger'],
      partitions: PARTITIONS,
      onError: rethrow,
    });
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    return new LedgerFixture({ database, log, heads, owner });
  }

  session(name: string): Session {
    const session = new Session({ url: this.url, name });
    this.#sessions.push(session);
    return session;
  }

  /** A command worker with a connection and caches of its own. */
  process(clock: Clock = systemClock): LedgerProcess {
    const store = new LedgerStore();
    const failures: unknown[] = [];
    const worker = new CommandWorker({
      name: 'ledger',
      topic: 'ledger',
      handler: new LedgerCommands({ store, renderProblem: renderAnswer }),
      idempotency: new IdempotencyStore('ledger'),
      keyReused: (pointers) => renderAnswer(keyReused(pointers)),
      log: this.#log,
      session: this.session('ledger commands'),
      clock,
      random: Math.random,
      batchMax: BATCH_MAX,
      delayMs: () => 0,
      observer: { committed: () => undefined, failed: (_worker, error) => failures.push(error) },
    });
    worker.start();
    this.#workers.push(worker);
    const order = (body: LedgerOrder, more: Ordered = {}) =>
      worker.submit({
        operation: body.operation,
        tenant: more.tenant ?? TENANT,
        idempotencyKey: more.idempotencyKey,
        id: more.id ?? idFor(body),
        requestId: newId('req'),
        correlationId: newId('cor'),
        traceparent: null,
        body,
      });
    return { store, commands: worker, order, failures };
  }

  /** Rows of the owner, who may read everything. */
  async rows<Row extends Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.owner.query<Row>(sql, values)).rows;
  }

  /** Resolves when a session waits for the lock of another. */
  async somebodyWaits(): Promise<void> {
    await vi.waitUntil(async () => (await this.rows(WAITING)).length > 0, { timeout: 2000, interval: 5 });
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.#log.close();
    await Promise.all(this.#sessions.map((session) => session.close()));
    await this.#pool.close();
    await this.owner.end();
    await this.#database.drop();
  }
}

const WAITING = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

export function openLedger(): Promise<LedgerFixture> {
  return LedgerFixture.open();
}

function idFor(order: LedgerOrder): string {
  if (order.operation === 'accounts.create') return order.id ?? newId('acc');
  return order.operation === 'accounts.close' ? order.account_id : newId('jen');
}

function renderAnswer(refusal: Problem): { status: number; body: string } {
  const { status, body } = renderProblem(PROBLEMS, refusal);
  return { status, body };
}

function keyReused(pointers: readonly string[]): Problem {
  const errors = pointers.map((pointer) => ({ pointer, code: 'differs', detail: 'differs' }));
  return problem('ledger.idempotency_key_reused', 'The key was used before with a body that differs.', {
    errors,
  });
}

function rethrow(error: unknown): void {
  throw error;
}
