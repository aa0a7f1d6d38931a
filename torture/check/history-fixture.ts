/** A small history in which everything is as it should be, and how to tell it otherwise. */
import type { BookEntry, HistoryRecord, Operation } from '../history/history.ts';

const CURRENCY = 'USD';

export type Document = Readonly<Record<string, unknown>>;

export class Tale {
  readonly records: HistoryRecord[] = [];
  #calls = 0;

  /** A request and its answer. */
  order(
    operation: Operation,
    key: string,
    sent: { path: string; body: Document; status?: number; answer: Document },
  ): this {
    const call = ++this.#calls;
    const { path, body, status = 202, answer } = sent;
    this.records.push({ type: 'asked', call, operation, key, path, body: JSON.stringify(body) });
    this.records.push({ type: 'answered', call, status, body: JSON.stringify(answer) });
    return this;
  }

  /** A request that nobody answered. */
  lost(operation: Operation, key: string, sent: { path: string; body: Document }): this {
    const call = ++this.#calls;
    this.records.push({
      type: 'asked',
      call,
      operation,
      key,
      path: sent.path,
      body: JSON.stringify(sent.body),
    });
    this.records.push({ type: 'unanswered', call, why: 'socket hang up' });
    return this;
  }

  look(path: string, document: Document, status = 200): this {
    const call = ++this.#calls;
    this.records.push({ type: 'looked', call, path });
    this.records.push({ type: 'saw', call, status, body: JSON.stringify(document) });
    return this;
  }

  settled(): this {
    this.records.push({ type: 'settled' });
    return this;
  }

  book(entries: readonly BookEntry[]): this {
    this.records.push({ type: 'book', provider: 'alfa', entries });
    return this;
  }
}

export interface Payment {
  readonly id: string;
  readonly method: 'balance' | 'gateway';
  readonly amount: number;
  readonly status: string;
  readonly refunded?: number;
  readonly reference?: string;
}

export function orderOf({ method, amount, reference }: Payment): Document {
  const terms = { wallet_id: 'w', service_id: 'shop', amount, currency: CURRENCY, method };
  return reference === undefined ? terms : { ...terms, reference };
}

export function documentOf(payment: Payment, status = payment.status): Document {
  const { id, refunded = 0 } = payment;
  return { id, ...orderOf(payment), status, refunded, failure: null };
}

export const PAID: Payment = {
  id: 'pay_1',
  method: 'balance',
  amount: 100,
  status: 'completed',
  refunded: 30,
};
export const CHARGED: Payment = {
  id: 'pay_2',
  method: 'gateway',
  amount: 50,
  status: 'completed',
  reference: 'r',
};
export const CANCELLED: Payment = { id: 'pay_3', method: 'gateway', amount: 70, status: 'cancelled' };
export const PAYMENTS = [PAID, CHARGED, CANCELLED];

export const CHARGE: BookEntry = {
  kind: 'charge',
  key: 'att_1',
  reference: CHARGED.id,
  amount: 50,
  currency: CURRENCY,
  status: 'approved',
};

export function refundOf(status = 'completed'): Document {
  return { id: 'ref_1', payment_id: PAID.id, status, amount: 30, currency: CURRENCY };
}

export function account(id: string, posted: number, held = 0): Document {
  const floor = id === 'bank' ? null : 0;
  return {
    id,
    kind: 'wallet',
    currency: CURRENCY,
    floor,
    balance: { posted, held, available: posted - held },
  };
}

const FUNDING = {
  postings: [
    { account_id: 'bank', direction: 'debit', amount: 1000 },
    { account_id: 'w', direction: 'credit', amount: 1000 },
  ],
};

/** What was asked and answered while callers were there. */
export function told(tale = new Tale()): Tale {
  tale.order('entry', 'fund', {
    path: '/v1/journal-entries',
    body: FUNDING,
    status: 201,
    answer: { id: 'ent_1' },
  });
  for (const payment of PAYMENTS) {
    const answer = documentOf({ ...payment, refunded: 0 }, 'pending');
    tale.order('payment', payment.id, { path: '/v1/payments', body: orderOf(payment), answer });
  }
  return tale
    .look('/v1/payments/pay_1', documentOf({ ...PAID, refunded: 0 }, 'authorized'))
    .order('refund', 'back', {
      path: '/v1/payments/pay_1/refunds',
      body: { amount: 30 },
      answer: refundOf('pending'),
    })
    .order('cancel', 'stop', {
      path: '/v1/payments/pay_3/cancel',
      body: {},
      answer: documentOf(CANCELLED, 'pending'),
    });
}

export const BALANCES = { bank: -1000, w: 880, shop: 120 };

/** What became of it. */
export function ended(
  tale: Tale,
  {
    payments = PAYMENTS,
    refund = refundOf(),
    book = [CHARGE],
    balances = BALANCES,
    verdict = 'complete',
  }: {
    readonly payments?: readonly Payment[];
    readonly refund?: Document;
    readonly book?: readonly BookEntry[];
    readonly balances?: Readonly<Record<string, number>>;
    readonly verdict?: string;
  } = {},
): Tale {
  tale.settled();
  for (const { id, status } of payments) {
    tale.look(`/v1/payments/${id}/verdict`, { verdict, findings: [] });
    const data = [{ type: 'payment.requested' }, { type: `payment.${status}` }];
    tale.look(`/v1/payments/${id}/events`, { data, next_cursor: null });
  }
  tale.look('/v1/refunds/ref_1/verdict', { verdict: 'complete', findings: [] });
  tale.look('/v1/refunds/ref_1', refund);
  const data = payments.map((payment) => documentOf(payment));
  tale.look('/v1/payments?limit=500', { data, next_cursor: null });
  for (const [id, posted] of Object.entries(balances)) tale.look(`/v1/accounts/${id}`, account(id, posted));
  return tale.book(book);
}
