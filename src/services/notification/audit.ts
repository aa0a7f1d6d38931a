/** What has been told, for who proves it against the logs; see the ledger's audit. */
import type { EpochMs } from '#kernel/clock.ts';
import { type Range, type RangedRows, rowsInRanges } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

export interface AuditedNotification {
  readonly subject: string;
  readonly type: string;
  readonly uuid: string;
  readonly tenant: string;
  /** JSON, as it will be sent. */
  readonly payload: string;
  readonly createdAt: EpochMs;
}

interface Row {
  subject: string;
  type: string;
  id: string;
  tenant: string;
  payload: string;
  created_at: EpochMs;
}

/** By primary key. */
export const AUDITED_NOTIFICATIONS: RangedRows = {
  select:
    'select n.subject, n.type, n.id, n.tenant, n.payload, n.created_at from notification.notifications n',
  by: 'n.subject',
  kind: 'text',
};

/** The notifications about the subjects of the ranges. */
export async function listAuditedNotifications(
  reader: Reader,
  ranges: readonly Range[],
): Promise<AuditedNotification[]> {
  const { text, parameters } = rowsInRanges(AUDITED_NOTIFICATIONS, ranges);
  const rows = await reader.query<Row>(text, parameters);
  return rows.map(({ id, created_at, ...row }) => ({ ...row, uuid: id, createdAt: created_at }));
}
