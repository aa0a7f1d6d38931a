/** A charge and a refund: what the provider keeps of them, and how it shows them. Instants are ms UTC, amounts minor units. */

export interface Terms {
  readonly reference: string;
  readonly amount: number;
  readonly currency: string;
}

/** Why something was declined or failed. */
export interface Reason {
  readonly code: string;
  readonly detail: string;
}

interface Kept extends Terms {
  /** The provider's own id. */
  readonly id: string;
  /** The caller's, its `Idempotency-Key`. */
  readonly key: string;
  readonly reason: Reason | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface Charge extends Kept {
  readonly kind: 'charge';
  readonly description: string | null;
  readonly status: 'approved' | 'declined' | 'pending' | 'voided';
}

export interface Refund extends Kept {
  readonly kind: 'refund';
  /** The key of the charge. */
  readonly charge: string;
  readonly status: 'pending' | 'succeeded' | 'failed';
}

export type Document = Charge | Refund;

/** What a pending document becomes: with a reason it was refused. */
export function settled(document: Document, reason: Reason | null, now: number): Document {
  const common = { reason, updatedAt: now };
  return document.kind === 'charge'
    ? { ...document, ...common, status: reason === null ? 'approved' : 'declined' }
    : { ...document, ...common, status: reason === null ? 'succeeded' : 'failed' };
}

/** The wire's form. */
export function renderDocument(document: Document): Readonly<Record<string, unknown>> {
  const { id, key, reference, amount, currency, status, reason } = document;
  const times = { created_at: instant(document.createdAt), updated_at: instant(document.updatedAt) };
  return document.kind === 'charge'
    ? { id, key, reference, amount, currency, status, decline: reason, ...times }
    : { id, key, charge: document.charge, reference, amount, currency, status, failure: reason, ...times };
}

export function instant(ms: number): string {
  return new Date(ms).toISOString();
}
