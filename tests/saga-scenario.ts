/**
 * Payments and refunds between the coordinator and the ledger, in memory: every event is handed over by hand, what is said
 * to it stands in a log, and nothing is forgotten.
 */
import { type Id, newId, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import { type EventDraft, eventIdentity, type JsonObject, type LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { coordinate } from '#services/authorization/coordinate.ts';
import { Sagas } from '#services/authorization/sagas.ts';
import { type Account, type Balance, Books, entryIdOf, type Hold } from '#services/ledger/contract.ts';
import { postFor } from '#services/ledger/post-order.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';

export const TENANT = 'acme';
export const FUNDED = 1000n;
export const AMOUNT = 100;

export interface ScenarioOptions {
  readonly method: PaymentTerms['method'];
  readonly amount?: number;
  readonly fundedMinor?: bigint;
}

export class SagaScenario {
  readonly terms: PaymentTerms;
  readonly payment: PaymentId = newId('pay');
  readonly refund: RefundId = newId('ref');
  readonly books: Books;
  readonly sagas = new Sagas();
  /** Of every topic, in the order of what happened. */
  readonly log: LogEvent[] = [];
  now = Date.UTC(2026, 10, 20);
  readonly #root: Pick<LogEvent, 'tenant' | 'key' | 'correlationId' | 'traceparent'>;

  constructor({ method, amount = AMOUNT, fundedMinor = FUNDED }: ScenarioOptions) {
    this.terms = { wallet_id: 'wallet', service_id: 'service', amount, currency: 'USD', method };
    this.#root = { tenant: TENANT, key: 'wallet', correlationId: newId('cor'), traceparent: null };
    this.books = new Books({
      balances: [
        balanceOf(1n, 'wallet', fundedMinor),
        balanceOf(2n, 'service', 0n),
        balanceOf(3n, 'outside', 0n),
      ],
      holds: [],
      entryIds: [],
    });
  }

  /** An event that others append; nobody has read it yet. */
  tell(topic: string, type: string, data: JsonObject, subject: Id<'pay' | 'ref'> = this.payment): LogEvent {
    const cause = { causation: newId('req') };
    return this.#append(topic, { ...this.#root, ...cause, type, version: 1, subject, data });
  }

  /** Hands an event to the coordinator. */
  coordinate(event: LogEvent): LogEvent | undefined {
    const answered = this.#answeredIn('authorization');
    const { sagas, books, now } = this;
    const draft = coordinate(event, { sagas, books, now, answered });
    return draft && this.#append('authorization', draft);
  }

  /** Hands an event of the coordinator to the ledger. */
  post(event: LogEvent): LogEvent | undefined {
    if (this.#answeredIn('ledger').has(eventIdentity(event))) return undefined;
    const draft = postFor(this.books, event, this.now);
    return draft && this.#append('ledger', draft);
  }

  /** What the ledger would say if it could not post. */
  refusePosting(order: LogEvent, purpose?: 'refund' | 'reversal'): LogEvent {
    const data = { code: 'ledger.account_closed', detail: 'Closed.', ...(purpose && { purpose }) };
    return this.#append('ledger', follow(order, { type: 'posting.refused', data }));
  }

  /** As ask-again.ts does it, if it is time. */
  askAgain(): LogEvent | undefined {
    const open = this.sagas.findCompensation(this.uuid);
    if (typeof open?.retryAt !== 'number' || open.retryAt > this.now) return undefined;
    this.sagas.keepCompensation({ ...open, retryAt: null });
    return this.#append('authorization', JSON.parse(open.ask as string) as EventDraft);
  }

  get uuid(): string {
    return uuidOf(this.payment);
  }

  get hold(): Hold | undefined {
    return this.books.findHold(this.uuid);
  }

  get refundHold(): Hold | undefined {
    return this.books.findHold(uuidOf(this.refund));
  }

  balance(id: 'wallet' | 'service' | 'outside'): Balance {
    return this.books.find(TENANT, id) as Balance;
  }

  /** Types of the coordinator's events, in order. */
  said(subject: string = this.payment): string[] {
    return this.log.filter((e) => e.topic === 'authorization' && e.subject === subject).map((e) => e.type);
  }

  hasEntry(purpose: 'payment' | 'reversal'): boolean {
    return this.books.changes().entries.some(({ id }) => id === entryIdOf(this.uuid, purpose));
  }

  /** Everything that a redelivery must leave as it is. */
  snapshot(): unknown {
    const { sagas, books } = this;
    return structuredClone({
      payment: sagas.findPayment(this.uuid),
      refund: sagas.findRefund(uuidOf(this.refund)),
      compensation: sagas.findCompensation(this.uuid),
      holds: [this.hold, this.refundHold],
      balances: [this.balance('wallet'), this.balance('service')],
      entries: books.changes().entries.length,
    });
  }

  #answeredIn(topic: string): ReadonlySet<string> {
    return new Set(this.log.filter((event) => event.topic === topic).map(({ causation }) => causation));
  }

  #append(topic: string, draft: EventDraft): LogEvent {
    const position = this.log.filter((event) => event.topic === topic).length + 1;
    const event: LogEvent = { ...draft, topic, partition: 0, position, occurredAt: this.now };
    this.log.push(event);
    return event;
  }
}

function balanceOf(key: bigint, id: string, postedMinor: bigint): Balance {
  const kind = id === 'wallet' ? 'wallet' : id === 'service' ? 'service' : 'external';
  const floorMinor = kind === 'external' ? null : 0n;
  const account: Account = { key, tenant: TENANT, id, kind, currency: 'USD', floorMinor };
  return { account, status: 'open', postedMinor, heldMinor: 0n, sequence: 0n, lastPostedAt: 0 };
}
