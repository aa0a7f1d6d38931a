/** Events of the cash flow's log, as data. Their schemas, which are permanent, are the files of `events/`. */
import type { Direction } from './cash-entry.ts';

/** What an entry is; its journal entry is told by the ledger's log (docs/adr/0020). */
type Told = {
  readonly entry_id: string;
  readonly account_id: string;
  readonly contra_account_id: string;
  readonly direction: Direction;
  /** Minor units, positive. */
  readonly amount: number;
  readonly currency: string;
  /** A calendar date. */
  readonly occurred_on: string;
  readonly description: string;
  readonly category: string | null;
};

export type CashEntryRecorded = Told & {
  /** Of an entry that was imported. */
  readonly import?: { readonly import_id: string; readonly line: number };
};

/** About the entry that is given back: what is told is the one that does it. */
export type CashEntryReversed = Told & { readonly reversal_id: string };
