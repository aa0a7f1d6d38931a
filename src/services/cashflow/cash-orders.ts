/**
 * What callers may order of the cash flow: the bodies of commands, told apart by their operation, which is also the scope
 * of their idempotency keys. The members are the caller's own, so that a reused key can name those that differ.
 */
import type { Direction } from './cash-entry.ts';

/** What an entry is, in a request and in a line of a file. */
export interface CashEntryTerms {
  readonly account_id: string;
  readonly direction: Direction;
  /** Minor units, 1 … 2^53−1. */
  readonly amount: number;
  /** A calendar date, `2026-11-20`. */
  readonly occurred_on: string;
  readonly description: string;
  readonly category?: string | null;
}

export interface RecordOrder extends CashEntryTerms {
  readonly operation: 'cash_entries.create';
}

export interface ReverseOrder {
  readonly operation: 'cash_entries.reverse';
  readonly cash_entry_id: string;
  readonly reason?: string | null;
  readonly occurred_on?: string | null;
}

/** What to do with the lines of a file if one of them cannot be recorded: keep the others, or none. */
export type OnError = 'keep' | 'none';

/** Everything but `account_id` and `on_error` is what was found in the file. */
export interface ImportOrder {
  readonly operation: 'cash_entries.import';
  /** SHA-256 in hex. */
  readonly digest: string;
  readonly bytes: number;
  /** The one with the names included. */
  readonly lines: number;
  readonly columns: readonly string[];
  readonly account_id: string | null;
  readonly on_error: OnError;
}

export type CashOrder = RecordOrder | ReverseOrder | ImportOrder;
