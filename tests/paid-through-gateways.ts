/**
 * A small installation in which gateway payments and refunds came to every end there is, and some still wait: all
 * services as they are, with two gateways that do as they are told.
 */
import { Client } from 'pg';
import { vi } from 'vitest';
import type { PaymentId, RefundId } from '#kernel/ids.ts';
import { idOf, uuidOf } from '#kernel/ids.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, startEngine } from './engine.ts';
import { type Conduct, type GatewayOperation, ModelGateway } from './model-gateway.ts';
import { ProviderProcess } from './providers-fixture.ts';

const PATIENCE = { timeout: 20_000, interval: 5 };
/** A payment above it has no route. */
const ROUTED_MAX = 10_000;
/** Whom a payment waits for; integrity retains what runs. */
const MOVED = ['validation', 'authorization', 'ledger', 'payments', 'notification'];

/** Nobody is connected to the database when it resolves. */
export async function payThroughGateways(): Promise<TestDatabase> {
  const database = await createProductDatabase();
  const engine = await startEngine(database.url, { gateways: true });
  const desk = await GatewayDesk.open(engine, database);
  try {
    await engine.openAccounts([
      { id: 'wallet', kind: 'wallet', fundedMinor: 100_000n },
      { id: 'service', kind: 'service' },
      { id: 'closing', kind: 'service' },
    ]);
    const payments = await desk.pay();
    await desk.compensate();
    await desk.refund(payments);
    await desk.close();
    await engine.submit({ method: 'gateway' });
    await engine.settled();
    return database;
  } finally {
    await desk.close();
    await engine.close();
  }
}

type Status = string;

class GatewayDesk {
  readonly #engine: Engine;
  readonly #owner: Client;
  readonly #reader: ReadPool;
  readonly #alfa: ModelGateway;
  readonly #beta: ModelGateway;
  readonly #process: ProviderProcess;
  #isOpen = true;

  private constructor(options: {
    engine: Engine;
    database: TestDatabase;
    owner: Client;
    gateways: readonly [ModelGateway, ModelGateway];
  }) {
    this.#engine = options.engine;
    this.#owner = options.owner;
    [this.#alfa, this.#beta] = options.gateways;
    this.#reader = new ReadPool({ url: options.database.url, onError: rethrow });
    const configuration = {
      providers: (['alfa', 'beta'] as const).map((name, index) => ({
        name,
        url: options.gateways[index === 0 ? 0 : 1].url,
        apiKey: 'key',
        webhookSecret: this.#alfa.secret,
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

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#process.stop();
    await Promise.all([this.#alfa.close(), this.#beta.close(), this.#reader.close(), this.#owner.end()]);
    if (this.#process.failures.length > 0) throw this.#process.failures[0];
  }

  async pay() {
    const approved = await this.#pay('completed', { reference: 'invoice-1' });
    this.#told('charge', { status: 'declined' });
    await this.#pay('declined', { reference: 'invoice-2' });
    this.#told();
    await this.#pay('failed', { amount: ROUTED_MAX + 1 });
    await this.#alfa.refuse();
    await this.#pay('completed', {});
    await this.#alfa.listen();
    this.#told('charge', { answers: 'never' });
    await this.#pay('completed', {});
    this.#told('charge', { status: 'pending' });
    const unresolved = () => this.#unresolved();
    const [, late, charged, notCharged] = [
      await unresolved(),
      await unresolved(),
      await unresolved(),
      await unresolved(),
    ];
    await this.#settle(late, 'approved');
    await this.#until('completed', late);
    await this.#resolve(charged, 'charged', 'completed');
    await this.#resolve(notCharged, 'not_charged', 'failed');
    await this.#callOff();
    this.#told();
    const reversed = await this.#pay('completed', { reference: 'invoice-4' });
    await this.#resolve(reversed, 'not_charged', 'compensated');
    const { id: paid } = await this.#engine.submit({ amount: 500 });
    await this.#until('completed', paid);
    return { approved, late, paid };
  }

  async #callOff(): Promise<void> {
    await this.#cancel(await this.#pay('authorized', { reference: 'invoice-3' }), 'cancelled');
    this.#told('charge', { answers: 'never' });
    await this.#cancel(await this.#pay('authorized', {}), 'completed');
    this.#engine.pause('ledger');
    const { id } = await this.#engine.submit({ amount: 40, reference: 'invoice-5' });
    await this.#until('authorized', id);
    await this.#change({ operation: 'payments.cancel', payment_id: id });
    await this.#engine.settled(['validation', 'authorization']);
    this.#engine.resume('ledger');
    await this.#until('cancelled', id);
  }

  /** The payee is closed between charge and posting: what the provider has charged is given back. */
  async compensate(): Promise<void> {
    this.#engine.pause('ledger');
    const payments = await Promise.all([1, 2, 3].map(() => this.#submit({ service_id: 'closing' })));
    await this.#wait(async () => {
      const { rows } = await this.#owner.query(`select from "authorization".sagas where state = 'charged'`);
      return rows.length === payments.length;
    });
    await this.#engine.closeAccount('closing');
    let refused = 0;
    // The first is given back; of the others every attempt to do so fails.
    this.#told('refund', () => (refused++ === 0 ? {} : { status: 'failed' }));
    this.#engine.resume('ledger');
    await this.#wait(async () => {
      await this.#hasten();
      return (await this.#count('reconciliation_required')) === 3 && (await this.#count('compensated')) === 2;
    });
    this.#told();
    const { rows } = await this.#owner.query<{ subject: string }>(
      `select subject from "authorization".events where type = 'payment.reconciliation_required'
       and data like '%payments.compensation_failed%' order by subject limit 1`,
    );
    await this.#resolve(rows[0]?.subject as PaymentId, 'not_charged', 'compensated');
  }

  async refund({ approved, late, paid }: Awaited<ReturnType<GatewayDesk['pay']>>): Promise<void> {
    await this.#refund(approved, 30, 'completed');
    this.#told('refund', { status: 'failed' });
    await this.#refund(approved, 10, 'failed');
    this.#told('refund', { status: 'pending' });
    await this.#refund(approved, 20, 'authorized');
    const [, lateRefund] = [await this.#inDoubt(late), await this.#inDoubt(late)];
    await this.#settle(lateRefund, 'succeeded');
    await this.#until('completed', lateRefund);
    this.#told();
    await this.#refund(paid, 200, 'completed');
    const { rows } = await this.#owner.query<{ left: string }>(
      `select posted - held as left from ledger.balances b join ledger.accounts a on a.key = b.account_key where a.id = 'service'`,
    );
    await this.#engine.transfer({
      from: 'service',
      to: 'wallet',
      amountMinor: BigInt(rows[0]?.left ?? 0) - 1n,
    });
    await this.#refund(paid, 300, 'declined');
  }

  /** From now on both gateways do with such requests as they are told; with others, and without a word, as they should. */
  #told(operation?: GatewayOperation, conduct: Conduct | (() => Conduct) = {}): void {
    for (const gateway of [this.#alfa, this.#beta]) {
      gateway.conduct = (seen) =>
        seen.operation !== operation ? undefined : typeof conduct === 'function' ? conduct() : conduct;
    }
  }

  async #submit(order: Parameters<Engine['submit']>[0]): Promise<PaymentId> {
    const { id, answer } = await this.#engine.submit({ method: 'gateway', amount: 100, ...order });
    if (answer.status >= 400) throw new Error(`a payment was refused: ${answer.body}`);
    return id;
  }

  async #pay(ends: Status, order: Parameters<Engine['submit']>[0]): Promise<PaymentId> {
    const id = await this.#submit(order);
    await this.#until(ends, id);
    return id;
  }

  /** Its provider has it, and does not say what became of it until its time is over. */
  async #unresolved(): Promise<PaymentId> {
    const id = await this.#pay('authorized', {});
    await this.#overdue(id);
    await this.#until('reconciliation_required', id);
    return id;
  }

  async #inDoubt(payment: PaymentId): Promise<RefundId> {
    const id = await this.#refund(payment, 50, 'authorized');
    await this.#overdue(id);
    await this.#until('reconciliation_required', id);
    return id;
  }

  async #resolve(payment: PaymentId, outcome: 'charged' | 'not_charged', ends: Status): Promise<void> {
    await this.#change({
      operation: 'payments.resolve',
      payment_id: payment,
      outcome,
      reason: 'Asked them.',
    });
    await this.#until(ends, payment);
  }

  async #cancel(payment: PaymentId, ends: Status): Promise<void> {
    await this.#change({ operation: 'payments.cancel', payment_id: payment });
    await this.#until(ends, payment);
  }

  async #refund(payment: PaymentId, amount: number, ends: Status): Promise<RefundId> {
    const id = await this.#change({ operation: 'refunds.create', payment_id: payment, amount });
    await this.#until(ends, id);
    return id;
  }

  async #change(order: Parameters<Engine['change']>[0]): Promise<RefundId> {
    const { id, answer } = await this.#engine.change(order);
    if (answer.status >= 400) throw new Error(`${order.operation} was refused: ${answer.body}`);
    return id;
  }

  /** What waits for its time need not. */
  async #hasten(subject?: string): Promise<void> {
    await this.#owner.query(
      // What the service is at just now is left to it.
      `update providers.attempts set due_at = now() - interval '1 second' where id in (
         select id from providers.attempts
         where due_at > now() and (kind = 'refund' or state <> 'sending') and subject = coalesce($1, subject)
         for update skip locked)`,
      [subject ?? null],
    );
  }

  /** The provider's book says so now, and it is asked. */
  async #settle(subject: string, status: string): Promise<void> {
    const { rows } = await this.#owner.query<{ id: string }>(
      `select id from providers.attempts where subject = $1 and state = 'pending'`,
      [subject],
    );
    for (const { book } of [this.#alfa, this.#beta]) {
      const entry = book.get(idOf('att', rows[0]?.id ?? ''));
      if (entry !== undefined) entry.status = status;
    }
    await this.#hasten(subject);
  }

  /** Once the provider has it, its deadline is over. */
  async #overdue(subject: string): Promise<void> {
    await this.#wait(async () => {
      const { rowCount } = await this.#owner.query(
        `update providers.attempts set deadline_at = now() - interval '1 second', due_at = now() - interval '1 second'
         where id in (
           select id from providers.attempts where subject = $1 and state = 'pending' for update skip locked)`,
        [subject],
      );
      return rowCount === 1;
    });
  }

  async #until(status: Status, id: PaymentId | RefundId): Promise<void> {
    const table = id.startsWith('ref_') ? 'refunds' : 'payments';
    const read = async () => {
      const { rows } = await this.#owner.query<{ status: string }>(
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
    if (status !== 'authorized') await this.#engine.settled(MOVED);
  }

  async #wait(condition: () => Promise<boolean>): Promise<void> {
    await vi.waitUntil(condition, PATIENCE).catch(async (error: unknown) => {
      const { rows } = await this.#owner.query(
        `select e.subject, e.type, a.kind, a.number, a.state, a.due_at
         from "authorization".events e left join providers.attempts a on a.subject = e.subject
         order by e.partition desc, e.position desc limit 20`,
      );
      throw new Error(`waited in vain; last was ${JSON.stringify(rows)}`, { cause: error });
    });
  }

  async #count(status: Status): Promise<number> {
    const { rows } = await this.#owner.query('select from payments.payments where status = $1', [status]);
    return rows.length;
  }
}

function rethrow(error: unknown): void {
  throw error;
}
