/**
 * What callers may order of the ledger: the bodies of its commands, told apart by their operation, which is also the
 * scope of their idempotency keys. The members are the caller's own, so that a reused key can name those that differ.
 */
import type { JsonObject } from '#platform/log/event.ts';
import type { AccountKind } from './books.ts';

export interface OpenAccountOrder {
  readonly operation: 'accounts.create';
  /** One is made for an account that is not given one. */
  readonly id?: string;
  readonly kind: AccountKind;
  readonly currency: string;
  readonly name?: string | null;
  /** Minor units; null means none. */
  readonly floor?: number | null;
  readonly time_zone?: string;
  readonly metadata?: JsonObject | null;
}

export interface CloseAccountOrder {
  readonly operation: 'accounts.close';
  readonly account_id: string;
}

export interface PostEntryOrder {
  readonly operation: 'journal_entries.create';
  /** 2 to 500. Amounts in minor units, 1 … 2^53−1. */
  readonly postings: readonly {
    readonly account_id: string;
    readonly direction: 'debit' | 'credit';
    readonly amount: number;
  }[];
  readonly description?: string | null;
  readonly reference?: string | null;
  /** A calendar date, `2026-11-20`. */
  readonly effective_on?: string | null;
}

export type LedgerOrder = OpenAccountOrder | CloseAccountOrder | PostEntryOrder;
