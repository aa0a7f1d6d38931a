/** What has been told, for who proves it against the logs; see the ledger's audit. */
import type { EpochMs } from '#kernel/clock.ts';
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

/** The notifications about the subjects of a range (after the first, up to the second). */
export async function listAuditedNotifications(
  reader: Reader,
  range: { readonly after: string | null; readonly upTo: string | null },
): Promise<AuditedNotification[]> {
  const rows = await reader.query<Row>(
    `select n.subject, n.type, n.id, n.tenant, n.payload, n.created_at from notification.notifications n
     where ($1::text is null or n.subject > $1) and ($2::text is null or n.subject <= $2)`,
    [range.after, range.upTo],
  );
  return rows.map(({ id, created_at, ...row }) => ({ ...row, uuid: id, createdAt: created_at }));
}
