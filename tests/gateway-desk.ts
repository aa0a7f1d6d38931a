/** Payments through two gateways that do as they are told, over the workers of an engine and the providers' service. */
import { Client } from 'pg';
import { vi } from 'vitest';
import { idOf, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import type { TestDatabase } from './database.ts';
import type { Engine } from './engine.ts';
import { type Conduct, type GatewayOperation, ModelGateway } from './model-gateway.ts';
import { PATIENCE } from './patience.ts';
import { ProviderProcess } from './providers-fixture.ts';

/** A payment above it has no route. */
export const ROUTED_MAX = 10_000;
/** Whom a payment waits for; integrity retains what runs. */
const MOVED = ['validation', 'authorization', 'ledger', 'payments', 'notification'];

type Status = string;

export class GatewayDesk {
  readonly engine: Engine;
  readonly owner: Client;
  readonly #reader: ReadPool;
  readonly alfa: ModelGateway;
  readonly beta: ModelGateway;
  readonly #process: ProviderProcess;
  #isOpen = true;

  private constructor(options: {
    engine: Engine;
    database: TestDatabase;
    owner: Client;
    gateways: readonly [ModelGateway, ModelGateway];
  }) {
    this.engine = options.engine;
    this.owner = options.owner;
    [this.alfa, this.beta] = options.gateways;
    this.#reader = new ReadPool({ url: options.database.url, onError: rethrow });
    const configuration = {
      providers: (['alfa', 'beta'] as const).map((name, index) => ({
        name,
        url: options.gateways[index === 0 ? 0 : 1].url,
        apiKey: 'key',
        webhookSecret: this.alfa.secret,
        timeoutMs: 300,
        concurrency: 50,
        canVoid: true,
        settlesWithinMs: 60_000,
      })),
      routes: [{ currencies: null, minAmount: 1, maxAmount: ROUTED_MAX, providers: ['alfa', 'beta'] }],
    };
    const { log } = options.engine;
    this.#process = new ProviderProcess(
      { database: options.database, log, reader: this.#reader, configuration },
      {},
    );
  }

  static async open(engine: Engine, database: TestDatabase): Promise<GatewayDesk> {
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    const gateways = [await ModelGateway.open(), await ModelGateway.open()] as const;
    return new GatewayDesk({ engine, database, owner, gateways });
  }

  /** Of the providers' service. */
  get consumer() {
    return this.#process.providers.consumer;
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#process.stop();
    await Promise.all([this.alfa.close(), this.beta.close(), this.#reader.close(), this.owner.end()]);
    if (this.#process.failures.length > 0) throw this.#process.failures[0];
  }

  /** From now on both gateways do with such requests as they are told; with others, and without a word, as they should. */
  tell(operation?: GatewayOperation, conduct: Conduct | (() => Conduct) = {}): void {
    for (const gateway of [this.alfa, this.beta]) {
      gateway.conduct = (seen) =>
        seen.operation !== operation ? undefined : typeof conduct === 'function' ? conduct() : conduct;
    }
  }

  async submit(order: Parameters<Engine['submit']>[0]): Promise<PaymentId> {
    const { id, answer } = await this.engine.submit({ method: 'gateway', amount: 100, ...order });
    if (answer.status >= 400) throw new Error(`a payment was refused: ${answer.body}`);
    return id;
  }

  async pay(ends: Status, order: Parameters<Engine['submit']>[0]): Promise<PaymentId> {
    const id = await this.submit(order);
    await this.until(ends, id);
    return id;
  }

  /** Its provider has it, and does not say what became of it until its time is over. */
  async unresolved(): Promise<PaymentId> {
    const id = await this.pay('authorized', {});
    await this.overdue(id);
    await this.until('reconciliation_required', id);
    return id;
  }

  /** Its provider has it, and says nothing. */
  async charging(): Promise<PaymentId> {
    const id = await this.pay('authorized', {});
    await this.wait(async () => {
      const { rowCount } = await this.owner.query(
        `select from providers.attempts where subject = $1 and state = 'pending'`,
        [id],
      );
      return rowCount === 1;
    });
    return id;
  }

  async inDoubt(payment: PaymentId): Promise<RefundId> {
    const id = await this.refund(payment, 50, 'authorized');
    await this.overdue(id);
    await this.until('reconciliation_required', id);
    return id;
  }

  async resolve(payment: PaymentId, outcome: 'charged' | 'not_charged', ends: Status): Promise<void> {
    await this.change({
      operation: 'payments.resolve',
      payment_id: payment,
      outcome,
      reason: 'Asked them.',
    });
    await this.until(ends, payment);
  }

  /** A completed payment that was not charged after all. */
  async revoke(payment: PaymentId): Promise<void> {
    await this.change({
      operation: 'payments.resolve',
      payment_id: payment,
      outcome: 'not_charged',
      reason: 'Asked them.',
      regarding: 'completion',
    });
    await this.until('compensated', payment);
  }

  async cancel(payment: PaymentId, ends: Status): Promise<void> {
    await this.change({ operation: 'payments.cancel', payment_id: payment });
    await this.until(ends, payment);
  }

  async refund(payment: PaymentId, amount: number, ends: Status): Promise<RefundId> {
    const id = await this.change({ operation: 'refunds.create', payment_id: payment, amount });
    await this.until(ends, id);
    return id;
  }

  async change(order: Parameters<Engine['change']>[0]): Promise<RefundId> {
    const { id, answer } = await this.engine.change(order);
    if (answer.status >= 400) throw new Error(`${order.operation} was refused: ${answer.body}`);
    return id;
  }

  /** What waits for its time need not. */
  async hasten(subject?: string): Promise<void> {
    await this.owner.query(
      // What the service is at just now is left to it.
      `update providers.attempts set due_at = now() - interval '1 second' where id in (
         select id from providers.attempts
         where due_at > now() and (kind = 'refund' or state <> 'sending') and subject = coalesce($1, subject)
         for update skip locked)`,
      [subject ?? null],
    );
  }

  /** The provider's book says so now, and it is asked. */
  async settle(subject: string, status: string): Promise<void> {
    const { rows } = await this.owner.query<{ id: string }>(
      `select id from providers.attempts where subject = $1 and state = 'pending'`,
      [subject],
    );
    for (const { book } of [this.alfa, this.beta]) {
      const entry = book.get(idOf('att', rows[0]?.id ?? ''));
      if (entry !== undefined) entry.status = status;
    }
    await this.hasten(subject);
  }

  /** Once the provider has it, its deadline is over. */
  async overdue(subject: string): Promise<void> {
    await this.wait(async () => {
      const { rowCount } = await this.owner.query(
        `update providers.attempts set deadline_at = now() - interval '1 second', due_at = now() - interval '1 second'
         where id in (
           select id from providers.attempts where subject = $1 and state = 'pending' for update skip locked)`,
        [subject],
      );
      return rowCount === 1;
    });
  }

  async until(status: Status, id: PaymentId | RefundId): Promise<void> {
    const table = id.startsWith('ref_') ? 'refunds' : 'payments';
    const read = async () => {
      const { rows } = await this.owner.query<{ status: string }>(
        `select status from payments.${table} where id = $1`,
        [uuidOf(id)],
      );
      return rows[0]?.status;
    };
    await vi
      .waitUntil(async () => (await read()) === status, PATIENCE)
      .catch(async () => {
        throw new Error(`${id} is ${await read()}, and did not come to be ${status}`);
      });
    if (status !== 'authorized') await this.engine.settled(MOVED);
  }

  async wait(condition: () => Promise<boolean>): Promise<void> {
    await vi.waitUntil(condition, PATIENCE).catch(async (error: unknown) => {
      const { rows } = await this.owner.query(
        `select e.subject, e.type, a.kind, a.number, a.state, a.due_at
         from "authorization".events e left join providers.attempts a on a.subject = e.subject
         order by e.partition desc, e.position desc limit 20`,
      );
      throw new Error(`waited in vain; last was ${JSON.stringify(rows)}`, { cause: error });
    });
  }

  async count(status: Status): Promise<number> {
    const { rows } = await this.owner.query('select from payments.payments where status = $1', [status]);
    return rows.length;
  }
}

function rethrow(error: unknown): void {
  throw error;
}
