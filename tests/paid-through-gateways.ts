/** A small installation in which gateway payments and refunds came to every end there is, and some still wait. */
import type { PaymentId, RefundId } from '#kernel/ids.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, startEngine } from './engine.ts';
import { ProviderWords } from './provider-words.ts';

export interface GatewayInstallation {
  readonly database: TestDatabase;
  readonly payments: Readonly<Record<string, PaymentId>>;
  readonly refunds: Readonly<Record<string, RefundId>>;
}

/** Nobody is connected to the database when it resolves. */
export async function payThroughGateways(): Promise<GatewayInstallation> {
  const database = await createProductDatabase();
  const engine = await startEngine(database.url, { gateways: true });
  const words = await ProviderWords.open(engine, database.url);
  try {
    await engine.openAccounts([
      { id: 'wallet', kind: 'wallet', fundedMinor: 100_000n },
      { id: 'service', kind: 'service' },
      { id: 'closing', kind: 'service' },
    ]);
    const desk = new GatewayDesk(engine, words);
    const payments = await desk.pay();
    const refunds = await desk.refund(payments);
    await engine.settled();
    return { database, payments, refunds };
  } finally {
    await words.close();
    await engine.close();
  }
}

class GatewayDesk {
  readonly #engine: Engine;
  readonly #words: ProviderWords;

  constructor(engine: Engine, words: ProviderWords) {
    this.#engine = engine;
    this.#words = words;
  }

  async pay() {
    const words = this.#words;
    const waiting = await this.#submit();
    const unresolved = await this.#submit();
    await words.say(unresolved, ['provider.unknown'], ['provider.unresolved']);
    const approved = await this.#submit('invoice-1');
    await words.say(approved, ['provider.approved']);
    const declined = await this.#submit('invoice-2');
    await words.say(declined, ['provider.declined']);
    const failed = await this.#submit();
    await words.say(failed, ['provider.closed'], ['provider.exhausted']);
    const late = await this.#submit();
    await words.say(late, ['provider.unresolved'], ['provider.approved']);
    const charged = await this.#resolve(await this.#unresolved(), 'charged');
    const notCharged = await this.#resolve(await this.#unresolved(), 'not_charged');
    const cancelled = await this.#cancel(await this.#submit('invoice-3'));
    await words.say(cancelled, ['provider.cancelled']);
    const cancelledLate = await this.#cancel(await this.#submit());
    await words.say(cancelledLate, ['provider.approved']);
    const reversed = await this.#submit('invoice-4');
    await words.say(reversed, ['provider.approved']);
    await this.#resolve(reversed, 'not_charged');
    return {
      waiting,
      unresolved,
      approved,
      declined,
      failed,
      late,
      charged,
      notCharged,
      cancelled,
      cancelledLate,
      reversed,
      ...(await this.#compensate()),
      ...(await this.#payFromBalance()),
    };
  }

  /** The payee is closed while the provider is asked: what it has charged is given back. */
  async #compensate() {
    const submit = () => this.#submit(null, 'closing');
    const [compensated, parked, byHand] = [await submit(), await submit(), await submit()];
    await this.#words.settled();
    await this.#engine.closeAccount('closing');
    await this.#words.say(compensated, ['provider.approved'], ['provider.refunded']);
    for (const payment of [parked, byHand]) {
      await this.#words.say(payment, ['provider.approved'], ['provider.refund_refused']);
    }
    await this.#resolve(byHand, 'not_charged');
    return { compensated, parked, byHand };
  }

  async #payFromBalance() {
    const { id: paid } = await this.#engine.submit({ amount: 500 });
    await this.#words.settled();
    this.#engine.pause('ledger');
    const { id: calledOff } = await this.#engine.submit({ amount: 40, reference: 'invoice-5' });
    await this.#engine.settled(['validation', 'authorization']);
    await this.#cancel(calledOff, ['validation', 'authorization']);
    this.#engine.resume('ledger');
    await this.#words.settled();
    return { paid, calledOff };
  }

  async refund({ approved, late, paid }: Awaited<ReturnType<GatewayDesk['pay']>>) {
    const words = this.#words;
    const completed = await this.#refund(approved, 30);
    await words.say(completed, ['provider.refunded']);
    const refused = await this.#refund(approved, 10);
    await words.say(refused, ['provider.refund_refused']);
    const waiting = await this.#refund(approved, 20);
    const inDoubt = await this.#refund(late, 50);
    await words.say(inDoubt, ['provider.refund_unresolved']);
    const lateRefund = await this.#refund(late, 50);
    await words.say(lateRefund, ['provider.refund_unresolved'], ['provider.refunded']);
    const fromBalance = await this.#refund(paid, 200);
    await words.settled();
    await this.#engine.transfer({ from: 'service', to: 'wallet', amountMinor: 400n });
    const declined = await this.#refund(paid, 300);
    await words.settled();
    return { completed, refused, waiting, inDoubt, lateRefund, fromBalance, declined };
  }

  async #submit(reference: string | null = null, service = 'service'): Promise<PaymentId> {
    const { id } = await this.#engine.submit({
      method: 'gateway',
      amount: 100,
      reference,
      service_id: service,
    });
    return id;
  }

  async #unresolved(): Promise<PaymentId> {
    const id = await this.#submit();
    await this.#words.say(id, ['provider.unresolved']);
    return id;
  }

  async #resolve(payment: PaymentId, outcome: 'charged' | 'not_charged'): Promise<PaymentId> {
    await this.#change({
      operation: 'payments.resolve',
      payment_id: payment,
      outcome,
      reason: 'Asked them.',
    });
    await this.#words.say(payment, ['provider.resolved', { outcome }]);
    return payment;
  }

  async #cancel(payment: PaymentId, groups?: readonly string[]): Promise<PaymentId> {
    if (groups === undefined) await this.#words.settled();
    await this.#change({ operation: 'payments.cancel', payment_id: payment });
    await (groups === undefined ? this.#words.settled() : this.#engine.settled(groups));
    return payment;
  }

  #refund(payment: PaymentId, amount: number): Promise<RefundId> {
    return this.#change({ operation: 'refunds.create', payment_id: payment, amount });
  }

  async #change(order: Parameters<Engine['change']>[0]): Promise<RefundId> {
    const { id, answer } = await this.#engine.change(order);
    if (answer.status >= 400) throw new Error(`${order.operation} was refused: ${answer.body}`);
    return id;
  }
}
