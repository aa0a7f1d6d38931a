import type { EpochMs } from '#kernel/clock.ts';
import { textArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';

export interface Notification {
  readonly uuid: string;
  readonly subject: string;
  readonly type: string;
  readonly tenant: string;
  readonly payload: string;
}

/** By primary key. */
export const FIND_NOTIFICATIONS = statement(
  'notification.find_notifications',
  `select n.subject, n.type from ${batchRows('wanted', { subject: 'text', type: 'text' })}
   cross join lateral (
     select n.subject, n.type from notification.notifications n
     where n.subject = wanted.subject and n.type = wanted.type offset 0
   ) n`,
);

export const INSERT_NOTIFICATIONS = statement(
  'notification.insert_notifications',
  `insert into notification.notifications (subject, type, id, tenant, payload, created_at)
   select subject, type, id, tenant, payload, $6::timestamptz
   from ${batchRows('v', { subject: 'text', type: 'text', id: 'uuid', tenant: 'text', payload: 'text' })}`,
);

export function notificationKey(told: { readonly subject: string; readonly type: string }): string {
  return `${told.subject}/${told.type}`;
}

/** Which of them have been told of already. */
export async function findNotifications(
  tx: Transaction,
  events: readonly { readonly subject: string; readonly type: string }[],
): Promise<Set<string>> {
  const rows = await tx.query<{ subject: string; type: string }>(FIND_NOTIFICATIONS, [
    textArray(events.map((event) => event.subject)),
    textArray(events.map((event) => event.type)),
  ]);
  return new Set(rows.map(notificationKey));
}

export function insertNotifications(
  tx: Transaction,
  notifications: readonly Notification[],
  now: EpochMs,
): void {
  if (notifications.length === 0) return;
  tx.run(INSERT_NOTIFICATIONS, [
    textArray(notifications.map((notification) => notification.subject)),
    textArray(notifications.map((notification) => notification.type)),
    uuidArray(notifications.map((notification) => notification.uuid)),
    textArray(notifications.map((notification) => notification.tenant)),
    textArray(notifications.map((notification) => notification.payload)),
    new Date(now),
  ]);
}
