/** Events of the ledger's log, as data. Their schemas, which are permanent, are the files of `events/`. */
import type { JsonObject } from '#platform/log/event.ts';

export type AccountOpened = {
  readonly account_id: string;
  readonly kind: string;
  readonly currency: string;
  readonly floor: number | null;
  readonly name: string | null;
  readonly time_zone: string;
  readonly metadata: JsonObject | null;
};

export type AccountClosed = { readonly account_id: string };

/** An immutable journal entry, with each posting's place in its account. Amounts are minor units, positive. */
export type EntryPosted = {
  readonly entry_id: string;
  readonly cause: string;
  readonly purpose: string;
  readonly description?: string;
  readonly reference?: string;
  /** A calendar date. */
  readonly effective_on?: string;
  readonly postings: readonly {
    readonly account_id: string;
    readonly direction: 'debit' | 'credit';
    readonly amount: number;
    readonly currency: string;
    readonly sequence: number;
    readonly posted_after: number;
    readonly posted_at: string;
  }[];
};

/** The ledger could not post what was asked: nothing moved. */
export type PostingRefused = {
  /** Absent for a refund, which is the event's subject. */
  readonly payment_id?: string;
  /** Absent for a payment. */
  readonly purpose?: 'refund' | 'reversal';
  readonly code: string;
  readonly detail: string;
};
