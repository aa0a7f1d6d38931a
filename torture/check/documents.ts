/** What the product answers, as far as the checker reads it. */
export interface PaymentDocument {
  readonly id: string;
  readonly status: string;
  readonly wallet_id: string;
  readonly service_id: string;
  readonly amount: number;
  readonly currency: string;
  readonly method: string;
  readonly reference: string | null;
  readonly description: string | null;
  readonly refunded: number;
  readonly failure: { readonly code: string; readonly detail: string } | null;
}

export interface RefundDocument {
  readonly id: string;
  readonly payment_id: string;
  readonly status: string;
  readonly amount: number;
  readonly currency: string;
}

export interface AccountDocument {
  readonly id: string;
  readonly kind: string;
  readonly currency: string;
  readonly floor: number | null;
  readonly balance: { readonly posted: number; readonly held: number; readonly available: number };
}

export interface EntryBody {
  readonly postings: readonly {
    readonly account_id: string;
    readonly direction: 'debit' | 'credit';
    readonly amount: number;
  }[];
}

export interface VerdictDocument {
  readonly verdict: string;
  readonly findings: readonly { readonly kind: string }[];
}

/** The answer to a card transaction. */
export interface CardAnswer {
  readonly id: string;
  readonly code: string;
  readonly category: string | null;
}

export interface CardTransactionDocument {
  readonly id: string;
  readonly account: string | null;
  readonly external_id: string | null;
  readonly amount: number | null;
  readonly currency: string | null;
  readonly code: string;
  readonly category: string | null;
  readonly state: string;
  readonly captured: number;
  readonly reversed: number;
}

export interface PurchaseBody {
  readonly account: string;
  readonly totalAmount: number;
  readonly capture?: boolean;
}

/** Of a card, or of a top-up. */
export interface BalancesBody {
  readonly account?: string;
  readonly balances: Readonly<Record<string, number>>;
}

export interface Page<T> {
  readonly data: readonly T[];
  readonly next_cursor: string | null;
}

export interface Problem {
  readonly code: string;
  readonly payment_id?: string;
}

export const COMPLETED = 'completed';
const FINAL: ReadonlySet<string> = new Set([
  COMPLETED,
  'rejected',
  'declined',
  'cancelled',
  'failed',
  'compensated',
]);

export function isFinal(status: string): boolean {
  return FINAL.has(status);
}

/** How far along a status is; all ends are equally far. Undefined: there is no such status. */
export function rankOf(status: string): number | undefined {
  const under = ['pending', 'authorized', 'reconciliation_required'].indexOf(status);
  return under >= 0 ? under : isFinal(status) ? 3 : undefined;
}
