/** The cash flow over a database of its own, as separate processes run it: each with a log, a ledger store and sessions of its own. */
import { Client } from 'pg';
import { vi } from 'vitest';
import { type Clock, systemClock } from '#kernel/clock.ts';
import { type Id, newId, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import { type CommandOutcome, CommandWorker } from '#platform/batch/command-worker.ts';
import { type Answer, IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { prepareInstallation } from '#platform/log/installation.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { verify } from '#proof/verify.ts';
import { CashCommands } from '#services/cashflow/cash-commands.ts';
import type { CashOrder, OnError, RecordOrder, ReverseOrder } from '#services/cashflow/cash-orders.ts';
import { Importer } from '#services/cashflow/importer.ts';
import { CashReads } from '#services/cashflow/reads.ts';
import { Uploads } from '#services/cashflow/uploads.ts';
import { LedgerCommands } from '#services/ledger/ledger-commands.ts';
import type { OpenAccountOrder } from '#services/ledger/orders.ts';
import { LedgerReads } from '#services/ledger/reads.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { PATIENCE } from './patience.ts';

export const TENANT = 'acme';

const PARTITIONS = 4;
const BATCH_MAX = 500;
/** What was answered: a document, or the problem. */
export interface Answered extends CommandOutcome {
  readonly status: number;
  readonly document: Record<string, unknown>;
}

export interface CashProcess {
  readonly uploads: Uploads;
  readonly importer: Importer;
  order(order: CashOrder, more?: Ordered): Promise<Answered>;
  record(terms: Partial<RecordOrder>, more?: Ordered): Promise<Answered>;
  reverse(id: unknown, more?: Partial<ReverseOrder>): Promise<Answered>;
  /** Sends the file as the route does; it is worked on when the importer is started. */
  send(
    text: string,
    options?: { readonly onError?: OnError; readonly accountId?: string; readonly tenant?: string },
  ): Promise<Answered>;
  /** What its batches met and tried again after. */
  readonly failures: readonly unknown[];
  stop(): Promise<void>;
}

export type Ordered = { readonly idempotencyKey?: string; readonly tenant?: string };

export class CashFixture {
  readonly url: string;
  readonly owner: Client;
  readonly reads: CashReads;
  readonly ledgerReads: LedgerReads;
  readonly #database: TestDatabase;
  readonly pool: ReadPool;
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(database: TestDatabase, owner: Client) {
    this.#database = database;
    this.url = database.url;
    this.owner = owner;
    this.pool = new ReadPool({ url: this.url, onError: rethrow });
    this.reads = new CashReads(this.pool);
    this.ledgerReads = new LedgerReads(this.pool);
  }

  /** @internal Use `openCash`. */
  static async open(): Promise<CashFixture> {
    const database = await createProductDatabase();
    await prepareInstallation(database.url, TOPOLOGY, PARTITIONS);
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    return new CashFixture(database, owner);
  }

  session(name: string): Session {
    const session = new Session({ url: this.url, name });
    this.#closing.push(() => session.close());
    return session;
  }

  async process(clock: Clock = systemClock): Promise<CashProcess> {
    const sessions: Session[] = [];
    const failures: unknown[] = [];
    const session = (name: string): Session => {
      const opened = new Session({ url: this.url, name });
      sessions.push(opened);
      return opened;
    };
    const log = await EventLog.open({
      session: session('heads'),
      topics: TOPOLOGY.topics,
      partitions: PARTITIONS,
      onError: rethrow,
    });
    const ledger = new LedgerStore();
    const observer = {
      committed: () => undefined,
      failed: (_worker: string, error: unknown) => void failures.push(error),
    };
    const machine = { log, clock, random: Math.random, batchMax: BATCH_MAX, observer };
    const commands = new CommandWorker({
      ...machine,
      name: 'cashflow.intake',
      topic: 'cashflow',
      handler: new CashCommands({ ledger, renderProblem: refusal }),
      idempotency: new IdempotencyStore('cashflow'),
      keyReused: (pointers) => ({ status: 422, body: JSON.stringify(pointers) }),
      session: session('cash commands'),
      delayMs: () => 0,
    });
    const uploads = new Uploads({ session: session('uploads'), clock });
    const importer = new Importer({ ...machine, ledger, session: session('imports'), uploads });
    commands.start();
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      stopped ??= (async () => {
        await commands.stop();
        await importer.stop();
        await log.close();
        await Promise.all(sessions.map((each) => each.close()));
      })();
      return stopped;
    };
    this.#closing.push(stop);
    return { uploads, importer, failures, stop, ...ordersTo(commands, uploads) };
  }

  /** Opens accounts by the ledger's own commands. */
  async openAccounts(
    accounts: readonly (Omit<OpenAccountOrder, 'operation'> & { readonly id: string })[],
  ): Promise<void> {
    const heads = new Session({ url: this.url, name: 'heads' });
    const session = new Session({ url: this.url, name: 'ledger' });
    const log = await EventLog.open({
      session: heads,
      topics: ['ledger'],
      partitions: PARTITIONS,
      onError: rethrow,
    });
    const worker = new CommandWorker({
      name: 'ledger',
      topic: 'ledger',
      handler: new LedgerCommands({ store: new LedgerStore(), renderProblem: refusal }),
      idempotency: new IdempotencyStore('ledger'),
      keyReused: (pointers) => ({ status: 422, body: JSON.stringify(pointers) }),
      log,
      session,
      clock: systemClock,
      random: Math.random,
      batchMax: BATCH_MAX,
      delayMs: () => 0,
      observer: { committed: () => undefined, failed: (_worker, error) => rethrow(error) },
    });
    worker.start();
    const operation = 'accounts.create';
    const outcomes = await Promise.all(
      accounts.map(({ id, ...account }) =>
        worker.submit({
          operation,
          tenant: TENANT,
          idempotencyKey: undefined,
          body: { operation, id, ...account },
          id,
          ...causes(),
        }),
      ),
    );
    await worker.stop();
    await log.close();
    await Promise.all([heads.close(), session.close()]);
    for (const { answer } of outcomes) if (answer.status >= 400) throw new Error(answer.body);
  }

  /** Minor units. */
  async balance(accountId: string): Promise<number | undefined> {
    const account = await this.ledgerReads.findAccount(TENANT, accountId);
    return account === undefined ? undefined : Number(account.balance.postedMinor);
  }

  /** As it is when every line was read. */
  async finished(importId: unknown): Promise<Record<string, unknown>> {
    const uuid = uuidOf(importId as Id<'imp'>);
    await vi.waitUntil(
      async () => (await this.reads.findImport(TENANT, uuid))?.finishedAt !== null,
      PATIENCE,
    );
    return { ...(await this.reads.findImport(TENANT, uuid)) };
  }

  errors(importId: unknown) {
    return this.reads.listErrors(TENANT, uuidOf(importId as Id<'imp'>), { after: 0, limit: 1000 });
  }

  /** Rows of the owner, who may read everything. */
  async rows<Row extends Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.owner.query<Row>(sql, values)).rows;
  }

  /** What `verify` finds wrong, and how many cash entries it has looked at. */
  async verified(): Promise<{ readonly findings: readonly unknown[]; readonly cashEntries: number }> {
    const { checks } = await verify({ url: this.url });
    return {
      findings: checks.flatMap(({ findings }) => findings),
      cashEntries: checks.find(({ name }) => name === 'cash entries')?.checked ?? 0,
    };
  }

  /** Nobody is connected to the database when it resolves; it is the caller's to drop. */
  async leave(): Promise<TestDatabase> {
    await Promise.all(this.#closing.map((stop) => stop()));
    await this.pool.close();
    await this.owner.end();
    return this.#database;
  }

  async close(): Promise<void> {
    await (await this.leave()).drop();
  }
}

type Orders = Pick<CashProcess, 'order' | 'record' | 'reverse' | 'send'>;

function ordersTo(
  commands: { submit: CommandWorker<CashOrder, unknown, unknown>['submit'] },
  uploads: Uploads,
): Orders {
  const submit = async (body: CashOrder, id: string, more: Ordered = {}): Promise<Answered> => {
    const { tenant = TENANT, idempotencyKey } = more;
    const command = { operation: body.operation, tenant, idempotencyKey, body, id, ...causes() };
    const outcome = await commands.submit(command);
    const document = JSON.parse(outcome.answer.body) as Record<string, unknown>;
    return { ...outcome, status: outcome.answer.status, document };
  };
  const order: Orders['order'] = (body, more) => submit(body, newId('cen'), more);
  return {
    order,
    record: (terms, more) => order({ ...ENTRY, ...terms }, more),
    reverse: (id, more = {}) =>
      order({ operation: 'cash_entries.reverse', cash_entry_id: String(id), ...more }),
    send: async (text, { onError = 'keep', accountId, tenant = TENANT } = {}) => {
      const id = newId('imp');
      const file = await uploads.take(uuidOf(id), piecesOf(text), accountId);
      if (!file.ok) {
        await uploads.discard(uuidOf(id));
        return { status: 400, document: { ...file.problem }, answer: refusal(file.problem), replayed: false };
      }
      const body = {
        operation: 'cash_entries.import',
        ...file.value,
        account_id: accountId ?? null,
        on_error: onError,
      } as const;
      const answered = await submit(body, id, { tenant });
      await uploads.discard(uuidOf(id));
      return answered;
    },
  };
}

export const ENTRY: RecordOrder = {
  operation: 'cash_entries.create',
  account_id: 'book',
  direction: 'credit',
  amount: 100,
  occurred_on: '2026-01-15',
  description: 'Coffee beans',
};

/** As a socket brings it. */
async function* piecesOf(text: string): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 16_384) yield bytes.subarray(at, at + 16_384);
}

function causes() {
  return { requestId: newId('req'), correlationId: newId('cor'), traceparent: null };
}

export function openCash(): Promise<CashFixture> {
  return CashFixture.open();
}

function refusal(problem: Problem): Answer {
  return { status: 422, body: JSON.stringify(problem) };
}

function rethrow(error: unknown): void {
  throw error;
}
