/** Saying what became of deliveries that were taken: of their lanes, of themselves, and of their endpoints. */
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
import { statement, type Transaction } from '#platform/postgres/session.ts';
import type { Claim } from './claim-store.ts';
import { ENDPOINT_COLUMNS, type Endpoint, type EndpointRow, endpointOf } from './endpoint.ts';
import { inLockOrder } from './lane-store.ts';

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
