/**
 * Taking deliveries out of the queue. A lane that was taken is due again when its lease is over: so a process that dies costs
 * time, and the next attempt has the same message id.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { int2Array, int4Array, int8Array, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import type { Endpoint, EndpointRow } from './endpoint.ts';

/** What an attempt needs of its endpoint. */
export type ClaimedEndpoint = Pick<
  Endpoint,
  'key' | 'uuid' | 'tenant' | 'kind' | 'url' | 'secretVersion' | 'failingSince'
>;

/** A delivery that this process has taken, with what its request is made of. */
export interface Claim {
  readonly endpoint: ClaimedEndpoint;
  readonly laneKey: bigint;
  /** How often the lane was taken: whoever took it before has nothing to say any more. */
  readonly claims: number;
  readonly subject: string;
  readonly turn: number;
  readonly uuid: string;
  readonly number: number;
  readonly failures: number;
  readonly sequence: number;
  readonly event: string;
  readonly type: string;
  readonly body: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
}

/**
 * Endpoints that have something due, one step of the partial index for each (a loose scan), however much waits there. What waits
 * at one that is not enabled stays, and is nobody's turn; by primary key.
 */
export const FIND_DUE_ENDPOINTS = statement(
  'notification.find_due_endpoints',
  `with recursive w(endpoint_key, due_at) as (
     (select l.endpoint_key, l.due_at from notification.lanes l
      where l.due_at is not null and l.endpoint_key > 0 order by l.endpoint_key, l.due_at limit 1)
     union all
     select n.endpoint_key, n.due_at from w cross join lateral (
       select l.endpoint_key, l.due_at from notification.lanes l
       where l.due_at is not null and l.endpoint_key > w.endpoint_key order by l.endpoint_key, l.due_at limit 1
     ) n
   )
   select w.endpoint_key, e.tenant from w
   cross join lateral (
     select e.tenant from notification.endpoints e where e.endpoint_key = w.endpoint_key and e.status = 'enabled' offset 0
   ) e
   where w.due_at <= $1::timestamptz`,
);

/** As many lanes of each endpoint as there is room for, the longest due first, by the partial index. What another process takes is its. */
export const LOCK_DUE = statement(
  'notification.lock_due_lanes',
  `select l.lane_key, l.subject, l.done_turn, l.claims, l.attempts,
     e.endpoint_key, e.id, e.tenant, e.kind, e.url, e.secret_version, e.failing_since
   from ${batchRows('wanted', { endpoint_key: 'bigint', room: 'integer' })}
   cross join lateral (
     select * from notification.endpoints e
     where e.endpoint_key = wanted.endpoint_key and e.status = 'enabled' offset 0
   ) e
   cross join lateral (
     select * from notification.lanes l
     where l.endpoint_key = wanted.endpoint_key and l.due_at <= $3::timestamptz
     order by l.due_at limit wanted.room for no key update skip locked
   ) l`,
);

/** What is next in each lane, by the index of turns. */
export const LOAD_HEADS = statement(
  'notification.load_heads',
  `select wanted.lane_key, d.id, d.turn, d.failures, d.sequence, d.type, m.event, m.body, m.correlation_id, m.traceparent
   from ${batchRows('wanted', { lane_key: 'bigint', done_turn: 'integer' })}
   cross join lateral (
     select * from notification.deliveries d
     where d.lane_key = wanted.lane_key and d.turn > wanted.done_turn and d.status = 'pending'
     order by d.turn limit 1
   ) d
   cross join lateral (select * from notification.messages m where m.event = d.event offset 0) m`,
);

/**
 * Attempts of a delivery that are numbered; the last number stands for all after it. Its schedule ends far below, but what could
 * not be sent from here, as without its secret, counts for nothing there and is taken again every few seconds, for weeks.
 */
export const ATTEMPTS_NUMBERED = 1000;

/** Locked before, so that what is found is what is changed. */
export const TAKE_LANES = statement(
  'notification.take_lanes',
  `update notification.lanes l set due_at = v.due_at, claims = l.claims + 1,
     attempts = case when v.due_at is null then l.attempts else least(l.attempts, ${ATTEMPTS_NUMBERED - 1}) + 1 end
   from ${batchRows('v', { lane_key: 'bigint', due_at: 'timestamptz' })}
   cross join lateral (
     select t.ctid from notification.lanes t where t.lane_key = v.lane_key offset 0
   ) as found(at)
   where l.ctid = found.at`,
);

export const INSERT_ATTEMPTS = statement(
  'notification.insert_attempts',
  `insert into notification.delivery_attempts (delivery, number, started_at)
   select delivery, number, $3::timestamptz from ${batchRows('v', { delivery: 'uuid', number: 'smallint' })}
   on conflict (delivery, number) do update
   set started_at = excluded.started_at, finished_at = null, outcome = null, status = null, latency_ms = null,
     detail = null, answer = null`,
);

type DueColumns = 'endpoint_key' | 'id' | 'tenant' | 'kind' | 'url' | 'secret_version' | 'failing_since';

interface DueRow extends Pick<EndpointRow, DueColumns> {
  lane_key: bigint;
  subject: string;
  done_turn: number;
  claims: number;
  attempts: number;
}

interface HeadRow {
  lane_key: bigint;
  id: string;
  turn: number;
  failures: number;
  sequence: number;
  type: string;
  event: string;
  body: string;
  correlation_id: string;
  traceparent: string | null;
}

export async function findDueEndpoints(
  session: Session,
  now: EpochMs,
): Promise<Pick<Endpoint, 'key' | 'tenant'>[]> {
  const rows = await session.query<Pick<EndpointRow, 'endpoint_key' | 'tenant'>>(FIND_DUE_ENDPOINTS, [
    new Date(now),
  ]);
  return rows.map(({ endpoint_key: key, tenant }) => ({ key, tenant }));
}

/** How many lanes of an endpoint are wanted. */
export interface Room {
  readonly endpointKey: bigint;
  readonly room: number;
}

/** Takes what is due; when it is given back, the attempts' rows are committed. */
export function claimDue(
  session: Session,
  rooms: readonly Room[],
  { now, leaseUntil }: { readonly now: EpochMs; readonly leaseUntil: EpochMs },
): Promise<Claim[]> {
  return session.transaction(async (tx) => {
    const due = await tx.query<DueRow>(LOCK_DUE, [
      int8Array(rooms.map(({ endpointKey }) => endpointKey)),
      int4Array(rooms.map(({ room }) => room)),
      new Date(now),
    ]);
    if (due.length === 0) return [];
    const heads = await tx.query<HeadRow>(LOAD_HEADS, [
      int8Array(due.map(({ lane_key }) => lane_key)),
      int4Array(due.map(({ done_turn }) => done_turn)),
    ]);
    const headOf = new Map(heads.map((head) => [head.lane_key, head]));
    const claims = due.flatMap((lane) => {
      const head = headOf.get(lane.lane_key);
      return head === undefined ? [] : [claimOf(lane, head)];
    });
    // A lane with nothing but what was skipped is at rest.
    takeLanes(tx, due, (lane) => (headOf.has(lane.lane_key) ? leaseUntil : null));
    beginAttempts(tx, claims, now);
    return claims;
  });
}

function takeLanes(
  tx: Transaction,
  lanes: readonly DueRow[],
  dueAtOf: (lane: DueRow) => EpochMs | null,
): void {
  tx.run(TAKE_LANES, [
    int8Array(lanes.map(({ lane_key }) => lane_key)),
    timestamptzArray(lanes.map(dueAtOf)),
  ]);
}

/** Their rows, of the commit that takes them. */
export function beginAttempts(tx: Transaction, claims: readonly Claim[], now: EpochMs): void {
  if (claims.length === 0) return;
  const ids = uuidArray(claims.map(({ uuid }) => uuid));
  const numbers = int2Array(claims.map(({ number }) => number));
  tx.run(INSERT_ATTEMPTS, [ids, numbers, new Date(now)]);
}

function claimOf(lane: DueRow, head: HeadRow): Claim {
  return {
    endpoint: {
      key: lane.endpoint_key,
      uuid: lane.id,
      tenant: lane.tenant,
      kind: lane.kind,
      url: lane.url,
      secretVersion: lane.secret_version,
      failingSince: lane.failing_since,
    },
    laneKey: lane.lane_key,
    claims: lane.claims + 1,
    subject: lane.subject,
    turn: head.turn,
    uuid: head.id,
    number: Math.min(lane.attempts, ATTEMPTS_NUMBERED - 1) + 1,
    failures: head.failures,
    sequence: head.sequence,
    event: head.event,
    type: head.type,
    body: head.body,
    correlationId: head.correlation_id,
    traceparent: head.traceparent,
  };
}
