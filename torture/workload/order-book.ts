/** What was asked for: what is still open, what came of it, and some of what was decided, to be asked again at the end. */
import type { Answer, Order } from './order.ts';

/** Each repeated costs a request at the end. */
const REPEATED_MAX = 10_000;

export class OrderBook {
  readonly payments = new Set<string>();
  readonly refunds = new Set<string>();
  readonly #open = new Map<string, Order>();
  readonly #unsure = new Map<string, Order>();
  readonly #purchases = new Map<string, Map<string, Order>>();
  #decided: Order[] = [];
  /** Every so many-th is kept. */
  #stride = 1;
  #seen = 0;

  asked(order: Order): void {
    if (order.operation === 'card_transaction') this.#keepPurchase(order);
    this.#open.set(scopeOf(order), order);
  }

  /** Of card transactions: what another try was told, a copy of it, may not be what became of this one. */
  unanswered(order: Order): void {
    if (order.operation === 'card_transaction') this.#unsure.set(scopeOf(order), order);
  }

  decided(order: Order, answer: Answer): void {
    this.#open.delete(scopeOf(order));
    if (!isForNow(order, answer)) this.#keep(order);
    if (answer.status >= 300) return;
    const { id = '' } = JSON.parse(answer.body) as { readonly id?: string };
    if (order.operation === 'payment') this.payments.add(id);
    if (order.operation === 'refund') this.refunds.add(id);
  }

  /** Nobody has answered them, or nobody has waited. */
  get open(): readonly Order[] {
    return [...new Map([...this.#open, ...this.#unsure]).values()];
  }

  /** Evenly over the whole time. */
  get repeated(): readonly Order[] {
    return this.#decided;
  }

  /** All that were asked for under one id: as a rule one. */
  purchasesOf(id: string): readonly Order[] {
    return [...(this.#purchases.get(id)?.values() ?? [])];
  }

  #keepPurchase(order: Order): void {
    const known = this.#purchases.get(order.key);
    if (known === undefined) this.#purchases.set(order.key, new Map([[order.body, order]]));
    else known.set(order.body, order);
  }

  #keep(order: Order): void {
    this.#seen += 1;
    if (this.#seen % this.#stride !== 0) return;
    this.#decided.push(order);
    if (this.#decided.length < REPEATED_MAX) return;
    this.#decided = this.#decided.filter((_order, index) => index % 2 === 0);
    this.#stride *= 2;
  }
}

/** A card transaction that was answered `07` may be decided otherwise when it is asked for again. */
function isForNow({ operation }: Order, { body }: Answer): boolean {
  return operation === 'card_transaction' && (JSON.parse(body) as { readonly code: string }).code === '07';
}

/** Two requests under one key are two orders. */
function scopeOf({ operation, key, path, body }: Order): string {
  return `${operation} ${key} ${path} ${body}`;
}
