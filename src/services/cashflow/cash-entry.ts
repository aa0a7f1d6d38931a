/** A cash entry: money that a merchant's cash book was given or gave, on a day. It never changes (F5). */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import { renderAmount } from '#kernel/money.ts';
import type { JsonObject } from '#platform/log/event.ts';

export type Direction = 'debit' | 'credit';

export interface CashEntry {
  readonly tenant: string;
  /** Also of its journal entry. */
  readonly uuid: string;
  readonly accountId: string;
  /** The category's account, against which it is posted. */
  readonly contraAccountId: string;
  /** Of the cash book: a credit adds to it, a debit takes from it. */
  readonly direction: Direction;
  readonly amountMinor: bigint;
  readonly currency: string;
  /** The calendar date that it counts for, in the account's time zone. */
  readonly occurredOn: string;
  readonly description: string;
  /** Null: none was given. */
  readonly category: string | null;
  /** The uuid of the entry that it gives back. */
  readonly reverses: string | null;
  readonly source: ImportLine | null;
  readonly recordedAt: EpochMs;
}

/** A line of a file that was imported. */
export interface ImportLine {
  readonly importUuid: string;
  readonly line: number;
}

/** What a reader sees beside it: whether another gave it back meanwhile. */
export interface CashEntryReading extends CashEntry {
  readonly reversedBy: string | null;
}

export function renderCashEntry(entry: CashEntryReading): JsonObject {
  const { reverses, reversedBy, source } = entry;
  return {
    id: idOf('cen', entry.uuid),
    account_id: entry.accountId,
    direction: entry.direction,
    amount: renderAmount(entry.amountMinor),
    currency: entry.currency,
    occurred_on: entry.occurredOn,
    description: entry.description,
    category: entry.category,
    contra_account_id: entry.contraAccountId,
    entry_id: idOf('jen', entry.uuid),
    reverses: reverses === null ? null : idOf('cen', reverses),
    reversed_by: reversedBy === null ? null : idOf('cen', reversedBy),
    import: source === null ? null : { id: idOf('imp', source.importUuid), line: source.line },
    recorded_at: toRfc3339(entry.recordedAt),
  };
}

/** Tenants have no slash. */
export function cashEntryRef({ tenant, uuid }: { readonly tenant: string; readonly uuid: string }): string {
  return `${tenant}/${uuid}`;
}
