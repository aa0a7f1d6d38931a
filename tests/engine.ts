/**
 * The real workers of every service, in the process of a test, over a database of its own: payments are submitted as
 * the HTTP edge submits them, and pass all stages. Nothing is replaced but the edge.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, systemClock } from '#kernel/clock.ts';
import { newId, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import type { Command, CommandHandler } from '#platform/batch/command.ts';
import { type CommandOutcome, CommandWorker } from '#platform/batch/command-worker.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { PassageShares } from '#platform/batch/passage-shares.ts';
import { PassageWorker } from '#platform/batch/passage-worker.ts';
import { Redeliverer } from '#platform/dead-letters/redeliverer.ts';
import { type Answer, IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { eventIdentity } from '#platform/log/event.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { prepareInstallation } from '#platform/log/installation.ts';
import { DatabaseFault, isTransient } from '#platform/postgres/faults.ts';
import { Session, statement } from '#platform/postgres/session.ts';
import { authorizationConsumer } from '#services/authorization/consumer.ts';
import { straightThrough } from '#services/authorization/straight-through.ts';
import { consolidationConsumer } from '#services/consolidation/consumer.ts';
import { integrityConsumer } from '#services/integrity/consumer.ts';
import { ledgerConsumer } from '#services/ledger/consumer.ts';
import type { AccountKind } from '#services/ledger/contract.ts';
import { LedgerCommands } from '#services/ledger/ledger-commands.ts';
import type { LedgerOrder, OpenAccountOrder, PostEntryOrder } from '#services/ledger/orders.ts';
import { postFor } from '#services/ledger/post-order.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { notificationConsumer } from '#services/notification/consumer.ts';
import { webhookConsumer } from '#services/notification/webhooks/fan-out.ts';
import type { ChangeOrder } from '#services/payments/change-orders.ts';
import type { PaymentOrder } from '#services/payments/payment.ts';
import { PaymentChanges } from '#services/payments/payment-changes.ts';
import { PaymentIntake, REQUEST_PAYMENT } from '#services/payments/payment-intake.ts';
import { paymentStatusConsumer } from '#services/payments/status-consumer.ts';
import { answer, partiesOf } from '#services/validation/answer-request.ts';
import { validationConsumer } from '#services/validation/consumer.ts';
import { CRITICAL_GROUPS, TOPOLOGY } from '../src/topology.ts';
import { NO_SENDER } from './no-sender.ts';

export const TENANT = 'acme';

/** Few, so that a test's payments meet in them. */
export const PARTITIONS = 4;
const BATCH_MAX = 500;
const SETTLE_TIMEOUT_MS = 30_000;
const POLL_MS = 5;
/** Instead of the turns of leases: what a passage has left to the stages comes back to it with one. */
const LEASE_TURN_MS = 100;

/** Of an entry, beside its postings. */
export type EntryTexts = Pick<PostEntryOrder, 'description' | 'reference' | 'effective_on'>;

export interface NewAccount extends Pick<OpenAccountOrder, 'name' | 'time_zone' | 'metadata'> {
  readonly id: string;
  readonly kind: AccountKind;
  /** Default USD. */
  readonly currency?: string;
  /** Default 0, for `external` and `cashbook` none. */
  readonly floorMinor?: bigint | null;
  /** Posted from an external account `outside-<currency>`, which is opened when first needed. */
  readonly fundedMinor?: bigint;
}

export interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly amountMinor: bigint;
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
    {
      start(): void;
      stop(): Promise<void>;
      pause(): void;
      resume(): void;
      own(partitions: readonly number[]): void;
    }
  >();
  readonly redeliverer: Redeliverer;
  /** What the groups gave up, in order: `group: identity`. */
  readonly deadLetters: string[] = [];
  readonly #toleratesPoison: boolean;
  #passage: { start(): void; stop(): Promise<void> } | undefined;
  /** How many partitions take the short cut. */
  #passing = 0;
  #leaseTurns: NodeJS.Timeout | undefined;
  /** Batches that each worker has committed. */
  readonly batches = new Map<string, number>();
  /** Partitions that the short cut has left to the stages, each time that it did. */
  readonly yields: (readonly number[])[] = [];
  /** What made it, beside events between the stages. */
  readonly passageFailures: unknown[] = [];
  readonly #intakes: { readonly waiting: number; start(): void; stop(): Promise<void> }[] = [];
  readonly #payments: { submit(command: Command<PaymentOrder>): Promise<CommandOutcome> };
  readonly #changes: { submit(command: Command<ChangeOrder>): Promise<CommandOutcome> };
  readonly #ledgerCommands: { submit(command: Command<LedgerOrder>): Promise<CommandOutcome> };
  readonly #reads: Session;
  #failure: unknown;

  private constructor(options: {
    url: string;
    log: EventLog;
    heads: Session;
    clock: Clock;
    straightThrough: boolean;
    gateways: boolean;
    poison: boolean;
  }) {
    this.#url = options.url;
    this.log = options.log;
    this.clock = options.clock;
    this.#sessions.push(options.heads);
    this.ledger = new LedgerStore();
    this.#reads = this.#session('reads');
    this.#toleratesPoison = options.poison;
    this.redeliverer = new Redeliverer({
      log: this.log,
      session: this.#session('redeliverer'),
      clock: this.clock,
      observer: this.#observer(),
    });
    this.#consume(validationConsumer(this.ledger));
    this.#consume(authorizationConsumer(this.ledger));
    this.#consume(ledgerConsumer(this.ledger));
    this.#consume(paymentStatusConsumer(() => undefined));
    this.#consume(notificationConsumer());
    this.#consume(
      webhookConsumer({
        subscribers: { has: () => true },
        clock: this.clock,
        random: Math.random,
        retentionMs: Number.POSITIVE_INFINITY,
        sender: NO_SENDER,
      }),
    );
    this.#consume(integrityConsumer(() => undefined));
    this.#consume(consolidationConsumer());
    if (options.straightThrough) this.#shareWithPassage();
    const intake = new PaymentIntake({ renderProblem: refusal, gateways: options.gateways });
    this.#payments = this.#take('payments', intake);
    this.#changes = this.#take(
      'payments',
      new PaymentChanges({ renderProblem: refusal }),
      'payments.changes',
    );
    this.#ledgerCommands = this.#take(
      'ledger',
      new LedgerCommands({ store: this.ledger, renderProblem: refusal }),
    );
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
    const { clock = systemClock, straightThrough: short = false, gateways = false, poison = false } = options;
    const engine = new Engine({ url, log, heads, clock, straightThrough: short, gateways, poison });
    engine.redeliverer.start();
    engine.#passage?.start();
    for (const worker of engine.#workers.values()) worker.start();
    for (const intake of engine.#intakes) intake.start();
    return engine;
  }

  /** Asks for a payment as the edge does; resolves when it is accepted or refused, not when it is done. */
  async submit(order: Partial<PaymentOrder>, options: SubmitOptions = {}): Promise<SubmittedPayment> {
    const id = newId('pay');
    const outcome = await this.#payments.submit({
      operation: REQUEST_PAYMENT,
      tenant: options.tenant ?? TENANT,
      idempotencyKey: options.idempotencyKey ?? randomUUID(),
      id,
      requestId: newId('req'),
      correlationId: newId('cor'),
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
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

  /** Asks for a refund, a cancel or a resolution as the edge does; `id` is the refund's, or else of no meaning. */
  async change(order: ChangeOrder, options: SubmitOptions = {}): Promise<CommandOutcome & { id: RefundId }> {
    const id = newId('ref');
    const outcome = await this.#changes.submit({
      operation: order.operation,
      tenant: options.tenant ?? TENANT,
      idempotencyKey: options.idempotencyKey ?? randomUUID(),
      id,
      requestId: newId('req'),
      correlationId: newId('cor'),
      traceparent: null,
      actor: 'key_of_a_person',
      body: order,
    });
    return { ...outcome, id };
  }

  /** Opens accounts by the ledger's own commands, and funds them by entries. */
  async openAccounts(accounts: readonly NewAccount[], tenant: string = TENANT): Promise<void> {
    const funded = accounts.filter((account) => account.fundedMinor !== undefined);
    const outside = [...new Set(funded.map(currencyOf))].map(
      (currency): NewAccount => ({ id: outsideOf(currency), kind: 'external', currency }),
    );
    await Promise.all(
      [...outside, ...accounts].map((account) => this.#order(tenant, openingOf(account), account.id)),
    );
    await Promise.all(funded.map((account) => this.#order(tenant, fundingOf(account), newId('jen'))));
  }

  /** The account must be empty: a service that was not paid yet. */
  async closeAccount(accountId: string, tenant: string = TENANT): Promise<void> {
    await this.#order(tenant, { operation: 'accounts.close', account_id: accountId }, newId('req'));
  }

  /** Posts an entry between two accounts of one currency. */
  async transfer(transfer: Transfer, texts: EntryTexts = {}): Promise<void> {
    await this.#order(TENANT, { ...entryBetween(transfer), ...texts }, newId('jen'));
  }

  /** The group takes no events until `resume`. */
  pause(group: string): void {
    this.#workerOf(group).pause();
  }

  resume(group: string): void {
    this.#workerOf(group).resume();
  }

  /** Those that it works for. */
  get groups(): string[] {
    return [...this.#workers.keys()];
  }

  /** Resolves when every group has read every log to its end; rejects if a worker met what trying again does not mend. */
  async settled(groups: readonly string[] = this.groups): Promise<void> {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS;
    for (;;) {
      if (this.#failure !== undefined) throw new Error('a worker failed', { cause: this.#failure });
      // One snapshot: positions and appends are committed together, so nothing is under way between equal ones.
      const behind = await this.#reads.query<{ place: string }>(BEHIND, [groups]);
      if (behind.length === 0 && this.#intakes.every(({ waiting }) => waiting === 0)) return;
      if (performance.now() > deadline)
        throw new Error(`not settled: ${behind.map(({ place }) => place).join(', ')}`);
      await delay(POLL_MS);
    }
  }

  /** The same, but for one: a test has paused it, or it waits for more than the logs, as integrity does ten seconds for sagas that do not go on. */
  settledBut(other: string): Promise<void> {
    return this.settled(this.groups.filter((group) => group !== other));
  }

  /** Resolves when every order about a dead letter is executed, and what waited behind it is worked off. */
  async ordersExecuted(): Promise<void> {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS;
    while ((await this.#reads.query(TO_EXECUTE, [])).length > 0) {
      if (performance.now() > deadline) throw new Error('orders about dead letters are not executed');
      this.redeliverer.wake();
      await delay(POLL_MS);
    }
  }

  /** Resolves when every partition is the short cut's to work on; whether it is in step there shows when it looks. */
  async passing(): Promise<void> {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS;
    while (this.#passing < this.log.partitions) {
      if (performance.now() > deadline)
        throw new Error(`only ${this.#passing} partitions take the short cut`);
      await delay(POLL_MS);
    }
  }

  /** Finishes the batches in flight and closes every connection. */
  async close(): Promise<void> {
    await Promise.all(this.#intakes.map((intake) => intake.stop()));
    clearInterval(this.#leaseTurns);
    await this.redeliverer.stop();
    await this.#passage?.stop();
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
      committed: (worker) => this.batches.set(worker, (this.batches.get(worker) ?? 0) + 1),
      failed: (worker, error) => {
        // A key that another process stored first is how batches race; the batch is decided anew (R3).
        const raced = error instanceof DatabaseFault && error.uniqueViolation;
        if (isTransient(error)) return;
        if (worker === 'straight-through') this.passageFailures.push(error);
        else if (!raced && !this.#toleratesPoison) this.#failure ??= error;
      },
      deadLettered: (group, { event }) => void this.deadLetters.push(`${group}: ${eventIdentity(event)}`),
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
    worker.own(this.#partitions());
    this.#workers.set(consumer.group, worker);
    this.redeliverer.serve(consumer);
    this.redeliverer.own(consumer.group, this.#partitions());
  }

  #partitions(): number[] {
    return Array.from({ length: this.log.partitions }, (_, partition) => partition);
  }

  #shareWithPassage(): void {
    const stages = new Map([...this.#workers].filter(([group]) => CRITICAL_GROUPS.includes(group)));
    const passage = this.#straightThrough((partitions, forMs) => {
      this.yields.push(partitions);
      shares.yield(partitions, forMs);
    });
    this.#passage = passage;
    const counted = {
      own: (partitions: readonly number[]): void => {
        this.#passing = partitions.length;
        passage.own(partitions);
      },
    };
    const shares: PassageShares = new PassageShares({ groups: CRITICAL_GROUPS, stages, passage: counted });
    const turn = (): void => {
      for (const group of CRITICAL_GROUPS) shares.own(group, this.#partitions());
    };
    turn();
    this.#leaseTurns = setInterval(turn, LEASE_TURN_MS);
  }

  #straightThrough(onYield: (partitions: readonly number[], forMs: number) => void) {
    const passage = straightThrough(this.ledger, {
      validation: {
        handles: validationConsumer(this.ledger).handles,
        partiesOf,
        answer,
      },
      ledger: { handles: ledgerConsumer(this.ledger).handles, post: postFor },
    });
    return new PassageWorker({
      passage: { ...passage, paceMs: 0 },
      log: this.log,
      session: this.#session(passage.name),
      clock: this.clock,
      random: Math.random,
      batchMax: BATCH_MAX,
      observer: this.#observer(),
      onYield,
    });
  }

  #take<Body, Loaded, Effect>(
    topic: string,
    handler: CommandHandler<Body, Loaded, Effect>,
    name = `${topic}.intake`,
  ): CommandWorker<Body, Loaded, Effect> {
    const worker = new CommandWorker({
      name,
      topic,
      handler,
      idempotency: new IdempotencyStore(topic),
      keyReused: (pointers) => ({ status: 422, body: JSON.stringify(pointers) }),
      log: this.log,
      session: this.#session(`${name} commands`),
      clock: this.clock,
      random: Math.random,
      batchMax: BATCH_MAX,
      delayMs: () => 0,
      observer: this.#observer(),
    });
    this.#intakes.push(worker);
    return worker;
  }

  async #order(tenant: string, body: LedgerOrder, id: string): Promise<void> {
    const { operation } = body;
    const causes = { requestId: newId('req'), correlationId: newId('cor'), traceparent: null };
    const outcome = await this.#ledgerCommands.submit({
      operation,
      tenant,
      idempotencyKey: undefined,
      body,
      id,
      ...causes,
    });
    const { status, body: text } = outcome.answer;
    // An account from outside is opened by whoever needs it first.
    const taken = operation === 'accounts.create' && status === 422 && text.includes('ledger.account_exists');
    if (status >= 400 && !taken) throw new Error(`${operation} was refused: ${text}`);
  }
}

export interface EngineOptions {
  /** Default 4. */
  readonly partitions?: number;
  /** Default the system's. */
  readonly clock?: Clock;
  /** Whether payments take the short cut where they can, as in a process that runs all services. Default false: every stage by itself. */
  readonly straightThrough?: boolean;
  /** Whether payments by gateway are accepted. Default false. */
  readonly gateways?: boolean;
  /** Whether some events cannot be handled on purpose: `settled` does not reject for it. Default false. */
  readonly poison?: boolean;
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

const TO_EXECUTE = statement(
  'tests.to_execute',
  `select from log.pending_redeliveries union all select from log.parked_keys where dead_letter is null`,
);

function openingOf(account: NewAccount): LedgerOrder {
  const { fundedMinor: _, floorMinor, ...rest } = account;
  const floor = floorMinor === undefined ? {} : { floor: floorMinor === null ? null : Number(floorMinor) };
  return { operation: 'accounts.create', ...rest, currency: currencyOf(account), ...floor };
}

function fundingOf(account: NewAccount): LedgerOrder {
  const from = outsideOf(currencyOf(account));
  return entryBetween({ from, to: account.id, amountMinor: account.fundedMinor ?? 0n });
}

function entryBetween(transfer: Transfer): PostEntryOrder {
  const amount = Number(transfer.amountMinor);
  const postings = [
    { account_id: transfer.from, direction: 'debit', amount },
    { account_id: transfer.to, direction: 'credit', amount },
  ] as const;
  return { operation: 'journal_entries.create', postings };
}

function currencyOf(account: NewAccount): string {
  return account.currency ?? 'USD';
}

function outsideOf(currency: string): string {
  return `outside-${currency}`;
}

function refusal(problem: Problem): Answer {
  return { status: 422, body: JSON.stringify(problem) };
}

function rethrow(error: unknown): void {
  throw error;
}
