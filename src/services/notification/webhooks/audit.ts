/** What is sent to webhooks, for who proves it against the logs; see the ledger's audit. */
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Message } from './lane-store.ts';
import { RETRY_AFTER_MAX_MS, RETRY_DELAYS_MS } from './retry-schedule.ts';

/** In the order of the primary key, after `after`; of a test's, `event` is none. */
export function listMessages(reader: Reader, after: string | undefined, limit: number): Promise<Message[]> {
  return reader.query<Message>(
    `select m.event, m.tenant, m.type, m.subject, m.body, m.correlation_id as "correlationId", m.traceparent,
            m.occurred_at as "occurredAt"
     from notification.messages m where $1::text is null or m.event > $1 order by m.event limit $2`,
    [after ?? null, limit],
  );
}

export interface AuditedLane {
  readonly laneKey: bigint;
  /** Undefined: of an endpoint that is not there. */
  readonly tenant: string | undefined;
  readonly subject: string;
  /** Something waits in it that can be sent, and it is never due, or far too late. */
  readonly isStalled: boolean;
}

/** Twice the longest pause, and twice what a receiver may ask for, for clocks that differ. */
const PAUSE_MAX_MS = 2 * Math.max(...RETRY_DELAYS_MS, RETRY_AFTER_MAX_MS);

/**
 * In the order of the primary key, after `after`. What waits, by the index of turns; its message by primary key: what is
 * forgotten is sent no more.
 */
export async function listLanes(
  reader: Reader,
  after: bigint | undefined,
  limit: number,
): Promise<AuditedLane[]> {
  const rows = await reader.query<{ key: bigint; tenant: string | null; subject: string; stalled: boolean }>(
    `select l.lane_key as key, e.tenant, l.subject,
            (l.due_at is null or l.due_at > now() + make_interval(secs => $3)) and exists (
              select from notification.deliveries d join notification.messages m on m.event = d.event
              where d.lane_key = l.lane_key and d.turn > l.done_turn and d.status = 'pending'
            ) as stalled
     from (
       select * from notification.lanes l where $1::bigint is null or l.lane_key > $1 order by l.lane_key limit $2
     ) l
     left join notification.endpoints e on e.endpoint_key = l.endpoint_key
     order by l.lane_key`,
    [after ?? null, limit, PAUSE_MAX_MS / 1000],
  );
  return rows.map(({ key, tenant, subject, stalled }) => ({
    laneKey: key,
    tenant: tenant ?? undefined,
    subject,
    isStalled: stalled,
  }));
}
