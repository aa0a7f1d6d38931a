import type { EpochMs } from '#kernel/clock.ts';
import { int2Array, int8Array, textArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';

/** Where an event of the cards' log stands. */
export interface CardEventPlace {
  readonly partition: number;
  readonly position: number;
}

export interface CardNotification extends CardEventPlace {
  readonly tenant: string;
  /** JSON, as exact bytes. */
  readonly payload: string;
}

export interface StoredCardNotification extends CardNotification {
  readonly createdAt: EpochMs;
}

/** An event delivered again finds its row by the primary key and changes nothing (U3). */
export const INSERT_CARD_NOTIFICATIONS = statement(
  'notification.insert_card_notifications',
  `insert into notification.card_notifications (partition, position, tenant, payload, created_at)
   select partition, position, tenant, payload, $5::timestamptz
   from ${batchRows('v', { partition: 'smallint', position: 'bigint', tenant: 'text', payload: 'text' })}
   on conflict (partition, position) do nothing`,
);

export function insertCardNotifications(
  tx: Transaction,
  notifications: readonly CardNotification[],
  now: EpochMs,
): void {
  if (notifications.length === 0) return;
  tx.run(INSERT_CARD_NOTIFICATIONS, [
    int2Array(notifications.map(({ partition }) => partition)),
    int8Array(notifications.map(({ position }) => position)),
    textArray(notifications.map(({ tenant }) => tenant)),
    textArray(notifications.map(({ payload }) => payload)),
    new Date(now),
  ]);
}

interface Row {
  partition: number;
  position: bigint;
  tenant: string;
  payload: string;
  created_at: EpochMs;
}

/** What was told of these events; by primary key. */
export async function findCardNotifications(
  reader: Reader,
  places: readonly CardEventPlace[],
): Promise<StoredCardNotification[]> {
  if (places.length === 0) return [];
  const rows = await reader.query<Row>(
    `select n.* from unnest($1::smallint[], $2::bigint[]) as wanted(partition, position)
     cross join lateral (
       select * from notification.card_notifications n
       where n.partition = wanted.partition and n.position = wanted.position offset 0
     ) n order by n.partition, n.position`,
    [places.map(({ partition }) => partition), places.map(({ position }) => position)],
  );
  return rows.map(stored);
}

/** In the order of the primary key, after `after`. */
export async function listCardNotifications(
  reader: Reader,
  after: CardEventPlace | undefined,
  limit: number,
): Promise<StoredCardNotification[]> {
  const rows = await reader.query<Row>(
    `select n.* from notification.card_notifications n
     where (n.partition, n.position) > ($1::smallint, $2::bigint) order by n.partition, n.position limit $3`,
    [after?.partition ?? -1, after?.position ?? 0, limit],
  );
  return rows.map(stored);
}

function stored({ position, created_at, ...row }: Row): StoredCardNotification {
  return { ...row, position: Number(position), createdAt: created_at };
}
