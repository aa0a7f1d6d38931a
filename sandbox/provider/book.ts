/**
 * The provider's book in memory: a fold of its records, so that reading the journal again makes the same book.
 *
 * B1: `apply` alone changes it, and only by what the record says: no clock, no chance.
 * B2: a record is one step; what belongs together is in one of them.
 */
import type { Charge, Document, Reason, Refund } from './documents.ts';

/** How the outcome is told by callbacks; the behaviours of behaviour-table.ts choose. */
export type Story = 'plain' | 'twice' | 'out_of_order' | 'bad_signature' | 'stale' | 'contradicts';

/** What a pending document becomes, and when. */
export interface Settlement {
  readonly kind: Document['kind'];
  readonly key: string;
  readonly at: number;
  readonly reason: Reason | null;
  readonly story: Story;
}

export interface CallbackStep {
  readonly type: string;
  readonly webhookId: string;
  /** The document as it is told, in the wire's form. */
  readonly data: Readonly<Record<string, unknown>>;
  /** After the step before, ms. */
  readonly afterMs: number;
  readonly flaw: 'signature' | 'stale' | null;
  /** Sent once, whatever is answered; otherwise until it is answered with 2xx. */
  readonly isOnce: boolean;
}

/** Callbacks owed to the caller, one after the other. */
export interface OwedCallback {
  readonly id: string;
  /** When what it tells of happened. */
  readonly since: number;
  /** Not before. */
  readonly at: number;
  readonly steps: readonly CallbackStep[];
}

/** A line of the journal. */
export interface BookRecord {
  /** As it is from now on. */
  readonly document?: Document;
  /** A key that was never seen and is refused for ever. */
  readonly voided?: string;
  readonly settlement?: Settlement;
  readonly owed?: OwedCallback;
  /** The id of callbacks that are owed no longer. */
  readonly done?: string;
}

/** One document with its place in the book: 1, 2, 3 … */
export interface BookEntry {
  readonly position: number;
  readonly document: Document;
}

export class Book {
  readonly #charges = new Map<string, Charge>();
  readonly #refunds = new Map<string, Refund>();
  readonly #voided = new Set<string>();
  readonly #settlements = new Map<string, Settlement>();
  readonly #owed = new Map<string, OwedCallback>();
  /** By the charge's key: refunds that have not failed, minor units. */
  readonly #refunded = new Map<string, number>();
  readonly #order: { readonly kind: Document['kind']; readonly key: string }[] = [];

  apply(record: BookRecord): void {
    if (record.document !== undefined) this.#put(record.document);
    if (record.voided !== undefined) this.#voided.add(record.voided);
    if (record.settlement !== undefined) this.#settlements.set(nameOf(record.settlement), record.settlement);
    if (record.owed !== undefined) this.#owed.set(record.owed.id, record.owed);
    if (record.done !== undefined) this.#owed.delete(record.done);
  }

  charge(key: string): Charge | undefined {
    return this.#charges.get(key);
  }

  refund(key: string): Refund | undefined {
    return this.#refunds.get(key);
  }

  document(kind: Document['kind'], key: string): Document | undefined {
    return kind === 'charge' ? this.#charges.get(key) : this.#refunds.get(key);
  }

  /** Of a key that was voided before it was used. */
  isVoided(key: string): boolean {
    return this.#voided.has(key);
  }

  refundedMinor(chargeKey: string): number {
    return this.#refunded.get(chargeKey) ?? 0;
  }

  settlements(): readonly Settlement[] {
    return [...this.#settlements.values()];
  }

  owed(): readonly OwedCallback[] {
    return [...this.#owed.values()];
  }

  /** Oldest first; at most `limit` entries behind position `after`. */
  page(after: number, limit: number): readonly BookEntry[] {
    return this.#order.slice(after, after + limit).flatMap(({ kind, key }, index) => {
      const document = this.document(kind, key);
      return document === undefined ? [] : [{ position: after + index + 1, document }];
    });
  }

  get size(): number {
    return this.#order.length;
  }

  #put(document: Document): void {
    const { kind, key, status } = document;
    if (this.document(kind, key) === undefined) this.#order.push({ kind, key });
    if (status !== 'pending') this.#settlements.delete(nameOf(document));
    if (document.kind === 'charge') this.#charges.set(key, document);
    else this.#putRefund(document);
  }

  #putRefund(refund: Refund): void {
    const change = countedMinor(refund) - countedMinor(this.#refunds.get(refund.key));
    this.#refunded.set(refund.charge, this.refundedMinor(refund.charge) + change);
    this.#refunds.set(refund.key, refund);
  }
}

/** A failed refund leaves the charge as it was. */
function countedMinor(refund: Refund | undefined): number {
  return refund === undefined || refund.status === 'failed' ? 0 : refund.amount;
}

function nameOf({ kind, key }: { readonly kind: Document['kind']; readonly key: string }): string {
  return `${kind} ${key}`;
}
