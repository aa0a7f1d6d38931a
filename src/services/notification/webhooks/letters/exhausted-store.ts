/** What is to be known of deliveries that were given up. */
import type { EpochMs } from '#kernel/clock.ts';
import { uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';

/** By primary keys; the caller holds their lanes. */
export const FIND_EXHAUSTED = statement(
  'notification.find_exhausted',
  `select d.id, d.repeats, e.automatic_replay, coalesce(a.started_at, d.created_at) as first_at
   from ${batchRows('wanted', { id: 'uuid' })}
   cross join lateral (select * from notification.deliveries d where d.id = wanted.id offset 0) d
   cross join lateral (
     select * from notification.endpoints e where e.endpoint_key = d.endpoint_key offset 0
   ) e
   left join lateral (
     select a.started_at from notification.delivery_attempts a where a.delivery = wanted.id and a.number = 1 offset 0
   ) a on true`,
);

export interface Exhausted {
  readonly id: string;
  /** Of what was sent again. */
  readonly repeats: string | null;
  /** Of its endpoint. */
  readonly automatic_replay: boolean;
  /** When it was tried first. */
  readonly first_at: EpochMs;
}

/** By the id of the delivery. */
export async function findExhausted(
  tx: Transaction,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Exhausted>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.query<Exhausted>(FIND_EXHAUSTED, [uuidArray(ids)]);
  return new Map(rows.map((row) => [row.id, row]));
}

/**
 * A delivery that is sent again, and its endpoint; by primary keys. No lock: what is read of it here does not change, and what
 * its endpoint remembers is raised before a lane is forgotten (retention.ts).
 */
export const FIND_REPEATED = statement(
  'notification.find_repeated_delivery',
  `select d.endpoint_key, d.event, d.type, d.sequence, l.subject, e.status,
     e.forgotten_sequence as first_after
   from (select * from notification.deliveries d where d.id = $1 offset 0) d
   cross join lateral (select * from notification.lanes l where l.lane_key = d.lane_key offset 0) l
   cross join lateral (
     select * from notification.endpoints e where e.endpoint_key = d.endpoint_key offset 0
   ) e
   where e.tenant = $2`,
);

export interface RepeatedDelivery {
  readonly endpoint_key: bigint;
  readonly event: string;
  readonly type: string;
  readonly sequence: number;
  readonly subject: string;
  readonly status: 'enabled' | 'disabled' | 'deleted';
  /** Where its subject's numbers begin, if its lane is forgotten meanwhile. */
  readonly first_after: number;
}

export async function findRepeated(
  tx: Transaction,
  { tenant, uuid }: { tenant: string; uuid: string },
): Promise<RepeatedDelivery | undefined> {
  const [row] = await tx.query<RepeatedDelivery>(FIND_REPEATED, [uuid, tenant]);
  return row;
}
