/** The statements about holds that will be given back unless they are captured before. */
import type { EpochMs } from '#kernel/clock.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { type CardTransactionKey, inOrder, keyColumns } from './store.ts';

export const INSERT_OPEN_HOLDS = statement(
  'cards.insert_open_holds',
  `insert into cards.open_holds (tenant, id, correlation_id, due_at)
   select tenant, id, correlation_id, $4::timestamptz
   from ${batchRows('v', { tenant: 'text', id: 'uuid', correlation_id: 'text' })}`,
);

/** By primary key. */
export const DELETE_OPEN_HOLDS = statement(
  'cards.delete_open_holds',
  `delete from cards.open_holds h
   using ${batchRows('v', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select t.ctid from cards.open_holds t where t.tenant = v.tenant and t.id = v.id offset 0
   ) as found(at)
   where h.ctid = found.at`,
);

/** The oldest that are due, of every tenant. No lock; by the index on due_at. */
export const FIND_DUE_HOLDS = statement(
  'cards.find_due_holds',
  `select h.tenant, h.id as uuid, h.correlation_id as "correlationId" from cards.open_holds h
   where h.due_at <= $1::timestamptz order by h.due_at limit $2`,
);

/** No lock beyond the row's. By primary key. */
export const POSTPONE_HOLD = statement(
  'cards.postpone_hold',
  `update cards.open_holds h set due_at = $3::timestamptz where h.tenant = $1 and h.id = $2`,
);

export interface OpenHold extends CardTransactionKey {
  /** Of who placed it. */
  readonly correlationId: string;
}

export function insertOpenHolds(tx: Transaction, holds: readonly OpenHold[], dueAt: EpochMs): void {
  if (holds.length === 0) return;
  const correlations = textArray(holds.map(({ correlationId }) => correlationId));
  tx.run(INSERT_OPEN_HOLDS, [...keyColumns(holds), correlations, new Date(dueAt)]);
}

export function deleteOpenHolds(tx: Transaction, keys: readonly CardTransactionKey[]): void {
  if (keys.length > 0) tx.run(DELETE_OPEN_HOLDS, keyColumns(inOrder(keys)));
}

export function findDueHolds(session: Session, now: EpochMs, limit: number): Promise<OpenHold[]> {
  return session.query<OpenHold>(FIND_DUE_HOLDS, [new Date(now), limit]);
}

export async function postponeHold(
  session: Session,
  { tenant, uuid }: CardTransactionKey,
  dueAt: EpochMs,
): Promise<void> {
  await session.query(POSTPONE_HOLD, [tenant, uuid, new Date(dueAt)]);
}
