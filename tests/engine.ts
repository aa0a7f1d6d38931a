/**
 * The real workers of every service, in the process of a test, over a database of its own: payments are submitted as
 * the HTTP edge submits them, and pass all stages. Nothing is replaced but the edge.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, systemClock } from '#kernel/clock.ts';
import { idOf, newId, type PaymentId, uuidOf } from '#kernel/ids.ts';
import { type CommandOutcome, CommandWorker } from '#platform/batch/command-worker.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { prepareAppend, sendAppend } from '#platform/log/append.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { prepareInstallation } from '#platform/log/installation.ts';
import { isTransient } from '#platform/postgres/faults.ts';
import { Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { authorizationConsumer } from '#services/authorization/consumer.ts';
import { integrityConsumer } from '#services/integrity/consumer.ts';
import type { Entry } from '#services/ledger/books.ts';
import { ledgerConsumer } from '#services/ledger/consumer.ts';
import type { AccountKind } from '#services/ledger/contract.ts';
import { renderEntryPosted } from '#services/ledger/render-events.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { notificationConsumer } from '#services/notification/consumer.ts';
import type { PaymentOrder } from '#services/payments/payment.ts';
import { PaymentIntake, REQUEST_PAYMENT } from '#services/payments/payment-intake.ts';
import { paymentStatusConsumer } from '#services/payments/status-consumer.ts';
import { validationConsumer } from '#services/validation/consumer.ts';
import { TOPOLOGY } from '../src/topology.ts';

export const TENANT = 'acme';

/** Few, so that a test's payments meet in them. */
const PARTITIONS = 4;
const BATCH_MAX = 500;
const SETTLE_TIMEOUT_MS = 30_000;
const POLL_MS = 5;

export interface NewAccount {
  readonly id: string;
  readonly kind: AccountKind;
  /** Default USD. */
  readonly currency?: string;
  /** Default 0, for `external` none. */
  readonly floorMinor?: bigint | null;
  /** Posted from an external account `outside-<currency>`, which is opened when first needed. */
  readonly fundedMinor?: bigint;
}

export interface SubmittedPayment extends CommandOutcome {
  readonly id: PaymentId;
  readonly uuid: string;
}

export interface SubmitOptions {
  readonly tenant?: string;
  readonly idempotencyKey?: string;
}

export class Engine {
  readonly log: EventLog;
  readonly ledger: LedgerStore;
  readonly clock: Clock;
  readonly #url: string;
  readonly #sessions: Session[] = [];
  readonly #workers = new Map<
    string,
    { start(): void; stop(): Promise<void>; pause(): void; resume(): void }
  >();
  readonly #intake: CommandWorker<PaymentOrder, Map<string, string>, unknown>;
  readonly #reads: Session;
  readonly #writes: Session;
  #failure: unknown;

  private constructor(options: { url: string; log: EventLog; heads: Session; clock: Clock }) {
    this.#url = options.url;
    this.log = options.log;
    this.clock = options.clock;
    this.#sessions.push(options.heads);
    this.ledger = new LedgerStore();
    this.#reads = this.#session('reads');
    this.#writes = this.#session('accounts');
    this.#consume(validationConsumer(this.ledger));
    this.#consume(authorizationConsumer(this.ledger));
    this.#consume(ledgerConsumer(this.ledger));
    this.#consume(paymentStatusConsumer(() => undefined));
    this.#consume(notificationConsumer());
    this.#consume(integrityConsumer(() => undefined));
    this.#intake = this.#openIntake();
  }

  /** @internal Use `startEngine`. */
  static async start(url: string, options: EngineOptions): Promise<Engine> {
    const partitions = options.partitions ?? PARTITIONS;
    await prepareInstallation(url, TOPOLOGY, partitions);
    const heads = new Session({ url, name: 'heads' });
    const log = await EventLog.open({
      session: heads,
      topics: TOPOLOGY.topics,
      partitions,
      onError: rethrow,
    });
    const engine = new Engine({ url, log, heads, clock: options.clock ?? systemClock });
    for (const worker of engine.#workers.values()) worker.start();
    engine.#intake.start();
    return engine;
  }

  /** Asks for a payment as the edge does; resolves when it is accepted or refused, not when it is done. */
  async submit(order: Partial<PaymentOrder>, options: SubmitOptions = {}): Promise<SubmittedPayment> {
    const id = newId('pay');
    const outcome = await this.#intake.submit({
      operation: REQUEST_PAYMENT,
      tenant: options.tenant ?? TENANT,
      idempotencyKey: options.idempotencyKey ?? randomUUID(),
      id,
      requestId: newId('req'),
      correlationId: newId('cor'),
      traceparent: null,
      body: {
        wallet_id: 'wallet',
        service_id: 'service',
        amount: 100,
        currency: 'USD',
        method: 'balance',
        ...order,
      },
    });
    return { ...outcome, id, uuid: uuidOf(id) };
  }

  /** Opens accounts with their events, and funds them by entries. */
  async openAccounts(accounts: readonly NewAccount[], tenant: string = TENANT): Promise<void> {
    const funded = accounts.filter((account) => account.fundedMinor !== undefined);
    const outside = [...new Set(funded.map(currencyOf))].map(
      (currency): NewAccount => ({ id: outsideOf(currency), kind: 'external', currency }),
    );
    await this.#append(async (tx, now) =>
      Promise.all([...outside, ...accounts].map((account) => insertAccount(tx, { tenant, account, now }))),
    );
    for (const account of funded) await this.#fund(tenant, account);
  }

  /** Closes an account whatever it holds, as no request could: the way to a refused posting. */
  async forceClosed(accountId: string, tenant: string = TENANT): Promise<void> {
    await this.#writes.query(FORCE_CLOSED, [tenant, accountId]);
  }

  /** The group takes no events until `resume`. */
  pause(group: string): void {
    this.#workerOf(group).pause();
  }

  resume(group: string): void {
    this.#workerOf(group).resume();
  }

  /** Resolves when every group has read every log to its end; rejects if a worker met what trying again does not mend. */
  async settled(groups: readonly string[] = TOPOLOGY.groups.map(({ group }) => group)): Promise<void> {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS;
    for (;;) {
      if (this.#failure !== undefined) throw new Error('a worker failed', { cause: this.#failure });
      // One snapshot: positions and appends are committed together, so nothing is under way between equal ones.
      const behind = await this.#reads.query<{ place: string }>(BEHIND, [groups]);
      if (behind.length === 0 && this.#intake.waiting === 0) return;
      if (performance.now() > deadline)
        throw new Error(`not settled: ${behind.map(({ place }) => place).join(', ')}`);
      await delay(POLL_MS);
    }
  }

  /** Finishes the batches in flight and closes every connection. */
  async close(): Promise<void> {
    await this.#intake.stop();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
    await this.log.close();
    await Promise.all(this.#sessions.map((session) => session.close()));
  }

  #workerOf(group: string): { pause(): void; resume(): void } {
    const worker = this.#workers.get(group);
    if (worker === undefined) throw new Error(`no group ${group}`);
    return worker;
  }

  #session(name: string): Session {
    const session = new Session({ url: this.#url, name });
    this.#sessions.push(session);
    return session;
  }

  #observer(): BatchObserver {
    return {
      committed: () => undefined,
      failed: (_worker, error) => {
        if (!isTransient(error)) this.#failure ??= error;
      },
    };
  }

  #consume<Loaded, Plan extends ConsumerPlan>(consumer: Consumer<Loaded, Plan>): void {
    const worker = new ConsumerWorker({
      // A test waits for every stage: no pacing.
      consumer: { ...consumer, paceMs: 0 },
      log: this.log,
      session: this.#session(consumer.group),
      clock: this.clock,
      random: Math.random,
      batchMax: BATCH_MAX,
      observer: this.#observer(),
    });
    worker.own(Array.from({ length: this.log.partitions }, (_, partition) => partition));
    this.#workers.set(consumer.group, worker);
  }

  #openIntake(): CommandWorker<PaymentOrder, Map<string, string>, unknown> {
    return new CommandWorker({
      name: 'intake',
      topic: 'payments',
      handler: new PaymentIntake({
        renderProblem: (problem) => ({ status: 422, body: JSON.stringify(problem) }),
      }),
      idempotency: new IdempotencyStore('payments'),
      keyReused: (pointers) => ({ status: 422, body: JSON.stringify(pointers) }),
      log: this.log,
      session: this.#session('intake'),
      clock: this.clock,
      random: Math.random,
      batchMax: BATCH_MAX,
      delayMs: () => 0,
      observer: this.#observer(),
    });
  }

  async #fund(tenant: string, account: NewAccount): Promise<void> {
    const outside = outsideOf(currencyOf(account));
    const amountMinor = account.fundedMinor ?? 0n;
    await this.#append(async (tx, now) => {
      const books = await this.ledger.openBooks(tx, {
        accounts: [outside, account.id].map((id) => ({ tenant, id })),
      });
      const id = uuidOf(newId('jen'));
      const postings = [
        { accountId: outside, amountMinor: -amountMinor },
        { accountId: account.id, amountMinor },
      ];
      const posted = books.post({ id, tenant, cause: id, purpose: 'manual', postings }, now);
      if (!posted.ok || posted.value === 'already') throw new Error(`${account.id} was not funded`);
      this.ledger.saveBooks(tx, books, now);
      return [entryPosted(posted.value)];
    });
  }

  async #append(work: (tx: Transaction, now: number) => Promise<EventDraft[]>): Promise<void> {
    const now = this.clock.now();
    const { partitions } = this.log;
    const segments = await this.#writes.transaction(async (tx) => {
      const drafts = await work(tx, now);
      return sendAppend(tx, prepareAppend({ topic: 'ledger', partitions, occurredAt: now, drafts }));
    });
    this.log.publish(segments);
  }
}

export interface EngineOptions {
  /** Default 4. */
  readonly partitions?: number;
  /** Default the system's. */
  readonly clock?: Clock;
}

/** `url` is the owner's, of a database migrated with MIGRATED_SCHEMAS. */
export function startEngine(url: string, options: EngineOptions = {}): Promise<Engine> {
  return Engine.start(url, options);
}

const BEHIND = statement(
  'tests.behind',
  `select p.consumer_group || ' in ' || topic || '/' || partition as place
   from log.heads h join log.positions p using (topic, partition)
   where p.position < h.position and p.consumer_group = any ($1)`,
);

const FORCE_CLOSED = statement(
  'tests.force_closed',
  `update ledger.balances set status = 'closed'
   where account_key = (select key from ledger.accounts where tenant = $1 and id = $2)`,
);

const INSERT_ACCOUNT = statement(
  'tests.insert_account',
  `with account as (
     insert into ledger.accounts (key, tenant, id, kind, currency, floor, time_zone, opened_at)
     values (nextval('ledger.account_keys'), $1, $2, $3, $4, $5, 'UTC', $6)
     on conflict do nothing
     returning key
   )
   insert into ledger.balances (account_key, status, posted, held, sequence, last_posted_at)
   select key, 'open', 0, 0, 0, $6::timestamptz from account returning account_key`,
);

async function insertAccount(
  tx: Transaction,
  { tenant, account, now }: { tenant: string; account: NewAccount; now: number },
): Promise<EventDraft> {
  const { id, kind } = account;
  const currency = currencyOf(account);
  const floorMinor = account.floorMinor === undefined ? defaultFloor(kind) : account.floorMinor;
  await tx.query(INSERT_ACCOUNT, [tenant, id, kind, currency, floorMinor, new Date(now)]);
  const floor = floorMinor === null ? null : Number(floorMinor);
  return {
    type: 'account.opened',
    version: 1,
    subject: id,
    tenant,
    key: id,
    data: { account_id: id, kind, currency, floor, name: null, time_zone: 'UTC' },
    correlationId: newId('cor'),
    causation: newId('req'),
    traceparent: null,
  };
}

function entryPosted(entry: Entry): EventDraft {
  const id = idOf('jen', entry.id);
  return {
    type: 'entry.posted',
    version: 1,
    subject: id,
    tenant: entry.tenant,
    key: id,
    data: renderEntryPosted(entry, id),
    correlationId: newId('cor'),
    causation: newId('req'),
    traceparent: null,
  };
}

function currencyOf(account: NewAccount): string {
  return account.currency ?? 'USD';
}

function outsideOf(currency: string): string {
  return `outside-${currency}`;
}

function defaultFloor(kind: AccountKind): bigint | null {
  return kind === 'external' ? null : 0n;
}

function rethrow(error: unknown): void {
  throw error;
}
