/** Postings that wait for their turn, as rows. Written under the locks of their accounts. */
import type { EpochMs } from '#kernel/clock.ts';
import { int8Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement } from '#platform/postgres/session.ts';
import type { BatchTransaction } from './batch-transaction.ts';
import type { Posting } from './posting.ts';

export const INSERT_WAITING = statement(
  'consolidation.insert_waiting',
  `insert into consolidation.waiting
     (account_key, sequence, entry_id, amount, posted_after, posted_at, effective_on, cause, correlation_id)
   select account_key, sequence, entry_id, amount, posted_after, posted_at, effective_on::date, cause, correlation_id
   from ${batchRows('v', {
     account_key: 'bigint',
     sequence: 'bigint',
     entry_id: 'uuid',
     amount: 'bigint',
     posted_after: 'bigint',
     posted_at: 'timestamptz',
     effective_on: 'text',
     cause: 'text',
     correlation_id: 'text',
   })}
   on conflict (account_key, sequence) do nothing`,
);

/** What is counted waits no more. Under the accounts' locks; a range of the primary key. */
export const DELETE_WAITING = statement(
  'consolidation.delete_waiting',
  `delete from consolidation.waiting w
   using (
     select t.ctid as at
     from ${batchRows('v', { account_key: 'bigint', sequence: 'bigint' })}
     cross join lateral (
       select t.ctid from consolidation.waiting t
       where t.account_key = v.account_key and t.sequence <= v.sequence offset 0
     ) t
   ) found
   where w.ctid = found.at`,
);

/** What is read of a posting `w` that waits: never `*`, whose meaning a later migration changes under the statements of live sessions. */
export const WAITING_COLUMNS = `w.account_key, w.sequence, w.entry_id, w.amount, w.posted_after, w.posted_at, w.effective_on,
  w.cause, w.correlation_id`;

export interface WaitingRow {
  account_key: bigint;
  sequence: bigint;
  entry_id: string;
  amount: bigint;
  posted_after: bigint;
  posted_at: EpochMs;
  effective_on: string | null;
  cause: string;
  correlation_id: string;
}

export function waitingPosting(row: WaitingRow): Posting {
  return {
    sequence: row.sequence,
    entryUuid: row.entry_id,
    amountMinor: row.amount,
    postedAfterMinor: row.posted_after,
    postedAt: row.posted_at,
    effectiveOn: row.effective_on,
    cause: row.cause,
    correlationId: row.correlation_id,
  };
}

export function saveWaiting(
  tx: BatchTransaction,
  early: readonly { readonly key: bigint; readonly posting: Posting }[],
): void {
  if (early.length === 0) return;
  const postings = early.map(({ posting }) => posting);
  tx.run(INSERT_WAITING, [
    int8Array(early.map(({ key }) => key)),
    int8Array(postings.map(({ sequence }) => sequence)),
    uuidArray(postings.map(({ entryUuid }) => entryUuid)),
    int8Array(postings.map(({ amountMinor }) => amountMinor)),
    int8Array(postings.map(({ postedAfterMinor }) => postedAfterMinor)),
    timestamptzArray(postings.map(({ postedAt }) => postedAt)),
    textArray(postings.map(({ effectiveOn }) => effectiveOn)),
    textArray(postings.map(({ cause }) => cause)),
    textArray(postings.map(({ correlationId }) => correlationId)),
  ]);
}

export function deleteWaiting(
  tx: BatchTransaction,
  counted: readonly { readonly key: bigint; readonly sequence: bigint }[],
): void {
  if (counted.length === 0) return;
  tx.run(DELETE_WAITING, [
    int8Array(counted.map(({ key }) => key)),
    int8Array(counted.map(({ sequence }) => sequence)),
  ]);
}
