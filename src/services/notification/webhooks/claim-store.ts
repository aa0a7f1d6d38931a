/**
 * Taking deliveries out of the queue, and saying what became of them. A lane that was taken is due again when its lease is
 * over: so a process that dies costs time, and the next attempt has the same message id.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { EgressOutcome } from '#platform/egress/outcome.ts';
import {
  int2Array,
  int4Array,
  int8Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { ENDPOINT_COLUMNS, type Endpoint, type EndpointRow, endpointOf } from './endpoint.ts';
import { inLockOrder } from './lane-store.ts';

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
   select w.endpoint_key from w
   cross join lateral (
     select from notification.endpoints e where e.endpoint_key = w.endpoint_key and e.status = 'enabled' offset 0
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

/** Locked before, so that what is found is what is changed. */
export const TAKE_LANES = statement(
  'notification.take_lanes',
  `update notification.lanes l set due_at = v.due_at, claims = l.claims + 1,
     attempts = l.attempts + case when v.due_at is null then 0 else 1 end
   from ${batchRows('v', { lane_key: 'bigint', due_at: 'timestamptz' })}
   cross join lateral (
     select t.ctid from notification.lanes t where t.lane_key = v.lane_key offset 0
   ) as found(at)
   where l.ctid = found.at`,
);

export const INSERT_ATTEMPTS = statement(
  'notification.insert_attempts',
  `insert into notification.delivery_attempts (delivery, number, started_at)
   select delivery, number, $3::timestamptz from ${batchRows('v', { delivery: 'uuid', number: 'smallint' })}`,
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

export async function findDueEndpoints(session: Session, now: EpochMs): Promise<bigint[]> {
  const rows = await session.query<{ endpoint_key: bigint }>(FIND_DUE_ENDPOINTS, [new Date(now)]);
  return rows.map(({ endpoint_key }) => endpoint_key);
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
    number: lane.attempts + 1,
    failures: head.failures,
    sequence: head.sequence,
    event: head.event,
    type: head.type,
    body: head.body,
    correlationId: head.correlation_id,
    traceparent: head.traceparent,
  };
}

/** What became of an attempt, as it is written. */
export interface EndedClaim {
  readonly claim: Claim;
  readonly outcome: EgressOutcome;
  /** Of the lane: when it is due again, or that its turn is over. */
  readonly step:
    | { readonly kind: 'over'; readonly status: 'delivered' | 'exhausted' }
    | { readonly kind: 'again'; readonly at: EpochMs };
  /** Of the delivery, this attempt among them. */
  readonly failures: number;
}

/** In the order in which lanes are locked. */
export const LOCK_LANES = statement(
  'notification.lock_lanes',
  `select from ${batchRows('wanted', { lane_key: 'bigint' })}
   cross join lateral (
     select from notification.lanes l where l.lane_key = wanted.lane_key for no key update
   ) l`,
);

/**
 * Those that are still this claim's, and not over: what is recorded again, because its commit was lost from sight, changes
 * nothing. All are locked. What is behind a turn that is over is due now.
 */
export const END_TURNS = statement(
  'notification.end_turns',
  `update notification.lanes l
   set done_turn = case when v.again_at is null then v.turn else l.done_turn end,
     attempts = case when v.again_at is null then 0 else l.attempts end,
     due_at = case when v.again_at is not null then v.again_at when l.last_turn > v.turn then $5::timestamptz end
   from ${batchRows('v', { lane_key: 'bigint', claims: 'integer', turn: 'integer', again_at: 'timestamptz' })}
   cross join lateral (
     select t.ctid from notification.lanes t
     where t.lane_key = v.lane_key and t.claims = v.claims and t.done_turn < v.turn offset 0
   ) as found(at)
   where l.ctid = found.at
   returning l.lane_key, l.claims, l.endpoint_key, l.due_at`,
);

export const END_DELIVERIES = statement(
  'notification.end_deliveries',
  `update notification.deliveries d
   set status = v.status, failures = v.failures, finished_at = case when v.status <> 'pending' then $4::timestamptz end
   from ${batchRows('v', { id: 'uuid', status: 'text', failures: 'smallint' })}
   cross join lateral (
     select t.ctid from notification.deliveries t where t.id = v.id offset 0
   ) as found(at)
   where d.ctid = found.at`,
);

/** Each is written by the one who has made it. */
export const END_ATTEMPTS = statement(
  'notification.end_attempts',
  `update notification.delivery_attempts a
   set finished_at = $8::timestamptz, outcome = v.outcome, status = v.status, latency_ms = v.latency_ms,
     detail = v.detail, answer = v.answer
   from ${batchRows('v', {
     delivery: 'uuid',
     number: 'smallint',
     outcome: 'text',
     status: 'smallint',
     latency_ms: 'integer',
     detail: 'text',
     answer: 'text',
   })}
   cross join lateral (
     select t.ctid from notification.delivery_attempts t where t.delivery = v.delivery and t.number = v.number offset 0
   ) as found(at)
   where a.ctid = found.at`,
);

interface EndedTurn {
  lane_key: bigint;
  claims: number;
  endpoint_key: bigint;
  due_at: EpochMs | null;
}

export interface ClaimsEnded {
  /** Endpoints whose lanes are due again now. */
  readonly due: ReadonlySet<bigint>;
  /** Those that were still this process's to end: of a lane that was taken again meanwhile the last one alone, and that once. */
  readonly held: ReadonlySet<Claim>;
}

export async function endClaims(
  tx: Transaction,
  ended: readonly EndedClaim[],
  now: EpochMs,
): Promise<ClaimsEnded> {
  const inOrder = ended.toSorted((a, b) => inLockOrder(nameOf(a), nameOf(b)));
  const lanes = int8Array(inOrder.map(({ claim }) => claim.laneKey));
  tx.run(LOCK_LANES, [lanes]);
  const rows = await tx.query<EndedTurn>(END_TURNS, [
    lanes,
    int4Array(inOrder.map(({ claim }) => claim.claims)),
    int4Array(inOrder.map(({ claim }) => claim.turn)),
    timestamptzArray(inOrder.map(({ step }) => (step.kind === 'again' ? step.at : null))),
    new Date(now),
  ]);
  const claimsOf = new Map(rows.map(({ lane_key, claims }) => [lane_key, claims]));
  const own = inOrder.filter(({ claim }) => claimsOf.get(claim.laneKey) === claim.claims);
  endDeliveries(tx, own, now);
  endAttempts(tx, inOrder, now);
  const due = rows.flatMap(({ endpoint_key, due_at }) =>
    due_at !== null && due_at <= now ? [endpoint_key] : [],
  );
  return { due: new Set(due), held: new Set(own.map(({ claim }) => claim)) };
}

function endDeliveries(tx: Transaction, ended: readonly EndedClaim[], now: EpochMs): void {
  tx.run(END_DELIVERIES, [
    uuidArray(ended.map(({ claim }) => claim.uuid)),
    textArray(ended.map(({ step }) => (step.kind === 'over' ? step.status : 'pending'))),
    int2Array(ended.map(({ failures }) => failures)),
    new Date(now),
  ]);
}

function endAttempts(tx: Transaction, ended: readonly EndedClaim[], now: EpochMs): void {
  tx.run(END_ATTEMPTS, [
    uuidArray(ended.map(({ claim }) => claim.uuid)),
    int2Array(ended.map(({ claim }) => claim.number)),
    textArray(ended.map(({ outcome }) => outcome.kind)),
    int2Array(ended.map(({ outcome }) => outcome.answer?.status ?? null)),
    int4Array(ended.map(({ outcome }) => Math.round(outcome.latencyMs))),
    textArray(ended.map(({ outcome }) => outcome.detail)),
    textArray(ended.map(({ outcome }) => shownAnswer(outcome))),
    new Date(now),
  ]);
}

/** What can be stored of it (R6). */
function shownAnswer({ answer }: EgressOutcome): string | null {
  return answer === undefined ? null : answer.body.toString('utf8').replaceAll('\0', '\uFFFD');
}

function nameOf({ claim }: EndedClaim) {
  return { endpointKey: claim.endpoint.key, subject: claim.subject };
}

const FOUND_ENDPOINT = `cross join lateral (
     select t.ctid from notification.endpoints t where t.endpoint_key = v.endpoint_key offset 0
   ) as found(at)
   where e.ctid = found.at`;

/** Behind the lanes, ascending. */
export const LOCK_ENDPOINTS = statement(
  'notification.lock_endpoints',
  `select from ${batchRows('wanted', { endpoint_key: 'bigint' })}
   cross join lateral (
     select from notification.endpoints e where e.endpoint_key = wanted.endpoint_key for no key update
   ) e`,
);

/** By primary key; all are locked, here and in the two below. */
export const NOTE_SUCCESS = statement(
  'notification.note_success',
  `update notification.endpoints e set failing_since = null
   from ${batchRows('v', { endpoint_key: 'bigint' })} ${FOUND_ENDPOINT}`,
);

export const NOTE_FAILURE = statement(
  'notification.note_failure',
  `update notification.endpoints e set failing_since = $2::timestamptz
   from ${batchRows('v', { endpoint_key: 'bigint' })} ${FOUND_ENDPOINT} and e.failing_since is null`,
);

/** Those that were enabled until now. */
export const DISABLE = statement(
  'notification.disable_endpoints',
  `update notification.endpoints e set status = 'disabled', disabled_reason = v.reason, updated_at = $3::timestamptz
   from ${batchRows('v', { endpoint_key: 'bigint', reason: 'text' })} ${FOUND_ENDPOINT} and e.status = 'enabled'
   returning ${ENDPOINT_COLUMNS}`,
);

/** What outcomes say of endpoints; each key once in each. */
export interface EndpointNews {
  readonly succeeded: readonly bigint[];
  readonly failed: readonly bigint[];
  readonly disabled: readonly { readonly key: bigint; readonly reason: 'gone' | 'failing' }[];
}

/** Those that were disabled. */
export async function noteEndpoints(
  tx: Transaction,
  { succeeded, failed, disabled }: EndpointNews,
  now: EpochMs,
): Promise<Endpoint[]> {
  const keys = new Set([...succeeded, ...failed, ...disabled.map(({ key }) => key)]);
  if (keys.size === 0) return [];
  tx.run(LOCK_ENDPOINTS, [int8Array([...keys].sort((a, b) => (a < b ? -1 : 1)))]);
  if (succeeded.length > 0) tx.run(NOTE_SUCCESS, [int8Array(succeeded)]);
  if (failed.length > 0) tx.run(NOTE_FAILURE, [int8Array(failed), new Date(now)]);
  if (disabled.length === 0) return [];
  const rows = await tx.query<EndpointRow>(DISABLE, [
    int8Array(disabled.map(({ key }) => key)),
    textArray(disabled.map(({ reason }) => reason)),
    new Date(now),
  ]);
  return rows.map(endpointOf);
}
