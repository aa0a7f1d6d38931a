/** The statements about calls. */
import type { EpochMs } from '#kernel/clock.ts';
import { boolArray, int4Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import {
  type Call,
  type CallRequest,
  type CallStep,
  type CallTry,
  callRef,
  TAKEN_BESIDE_TIMEOUT_MS,
} from './call.ts';

const COLUMNS = `c.integration, c.step, c.tenant, c.connector, c.connector_version, c.destination, c.request, c.state, c.tries,
  c.is_unknown, c.history, c.due_at, c.give_up_at, c.timeout_ms, c.cause, c.origin, c.correlation_id, c.traceparent`;

/** What changes of them; by primary key. No lock of its own: who changes a call holds its integration's. */
export const FIND_STANDINGS = statement(
  'hub.find_call_standings',
  `select c.integration, c.step, c.state, c.tries, c.is_unknown, c.history, c.due_at
   from ${batchRows('wanted', { integration: 'uuid', step: 'text' })}
   cross join lateral (
     select * from hub.calls c where c.integration = wanted.integration and c.step = wanted.step offset 0
   ) c`,
);

/** Which there are; by primary key alone. No lock of its own either. */
export const FIND_CALLED = statement(
  'hub.find_called',
  `select c.integration, c.step
   from ${batchRows('wanted', { integration: 'uuid', step: 'text' })}
   cross join lateral (
     select c.integration, c.step from hub.calls c
     where c.integration = wanted.integration and c.step = wanted.step offset 0
   ) c`,
);

export const INSERT_CALLS = statement(
  'hub.insert_calls',
  `insert into hub.calls (integration, step, tenant, connector, connector_version, destination, request, state, tries,
                          is_unknown, history, due_at, give_up_at, timeout_ms, cause, origin, correlation_id, traceparent,
                          created_at)
   select integration, step, tenant, connector, connector_version, destination, request, state, tries, false, '[]', due_at,
          give_up_at, timeout_ms, cause, origin, correlation_id, traceparent, $17::timestamptz
   from ${batchRows('v', {
     integration: 'uuid',
     step: 'text',
     tenant: 'text',
     connector: 'text',
     connector_version: 'integer',
     destination: 'text',
     request: 'text',
     state: 'text',
     tries: 'integer',
     due_at: 'timestamptz',
     give_up_at: 'timestamptz',
     timeout_ms: 'integer',
     cause: 'text',
     origin: 'uuid',
     correlation_id: 'text',
     traceparent: 'text',
   })}`,
);

/** By primary key, under the integration's lock. */
export const UPDATE_CALLS = statement(
  'hub.update_calls',
  `update hub.calls c
   set state = v.state, tries = v.tries, is_unknown = v.is_unknown, history = v.history, due_at = v.due_at
   from ${batchRows('v', {
     integration: 'uuid',
     step: 'text',
     state: 'text',
     tries: 'integer',
     is_unknown: 'bool',
     history: 'text',
     due_at: 'timestamptz',
   })}
   cross join lateral (
     select t.ctid from hub.calls t where t.integration = v.integration and t.step = v.step offset 0
   ) as found(at)
   where c.ctid = found.at`,
);

/**
 * Of integrations that have ended otherwise, which are locked. By primary key, and not by the place of a row that was found
 * before: one that a process claims meanwhile is ended nevertheless.
 */
export const END_CALLS = statement(
  'hub.end_calls',
  `update hub.calls c set state = 'done', due_at = null where c.integration = any ($1::uuid[]) and c.state <> 'done'`,
);

/**
 * The oldest of those that are due, by the index on that; what another process takes just now is left out. A try is begun by
 * this, in its commit, before its request leaves.
 */
export const CLAIM_CALLS = statement(
  'hub.claim_calls',
  `update hub.calls c set state = 'sending', tries = c.tries + 1, due_at = $1::timestamptz + (c.timeout_ms + $2::integer) * interval '1 millisecond'
   where c.ctid = any (array(
     select t.ctid from hub.calls t where t.due_at <= $1::timestamptz order by t.due_at limit $3::integer
     for no key update skip locked
   ))
   returning ${COLUMNS}`,
);

/** Destinations that answer again: what waits for them is due now. By the index on what is due, which is small. */
export const HASTEN_CALLS = statement(
  'hub.hasten_calls',
  `update hub.calls c set due_at = $1::timestamptz
   from ${batchRows('back', { tenant: 'text', connector: 'text', destination: 'text' }, 2)}
   where c.due_at > $1::timestamptz and c.state = 'waiting' and c.tenant = back.tenant and c.connector = back.connector
     and c.destination = back.destination`,
);

/** The oldest of those that have ended, by the primary key: ids of integrations rise with time. */
export const FORGET_CALLS = statement(
  'hub.forget_calls',
  `delete from hub.calls c
   where c.ctid = any (array(
     select t.ctid from hub.calls t where t.integration < $1::uuid and t.state = 'done'
     order by t.integration, t.step limit $2::integer for update skip locked
   ))
   returning 1 as forgotten`,
);

interface CallRow {
  integration: string;
  step: CallStep;
  tenant: string;
  connector: string;
  connector_version: number;
  destination: string;
  request: string;
  state: Call['state'];
  tries: number;
  is_unknown: boolean;
  history: string;
  due_at: EpochMs | null;
  give_up_at: EpochMs;
  timeout_ms: number;
  cause: string;
  origin: string;
  correlation_id: string;
  traceparent: string | null;
}

function callOf(row: CallRow): Call {
  return {
    tenant: row.tenant,
    uuid: row.integration,
    step: row.step,
    connector: row.connector,
    connectorVersion: row.connector_version,
    destination: row.destination,
    request: JSON.parse(row.request) as CallRequest,
    ...standingOf(row),
    giveUpAt: row.give_up_at,
    timeoutMs: row.timeout_ms,
    cause: row.cause,
    origin: row.origin,
    correlationId: row.correlation_id,
    traceparent: row.traceparent,
  };
}

type CallName = Pick<Call, 'uuid' | 'step'>;

type StandingRow = Pick<
  CallRow,
  'integration' | 'step' | 'state' | 'tries' | 'is_unknown' | 'history' | 'due_at'
>;

/** Those that there are, by `callRef`. */
export async function findCalled(tx: Transaction, calls: readonly CallName[]): Promise<Set<string>> {
  const rows = await tx.query<Pick<CallRow, 'integration' | 'step'>>(FIND_CALLED, namesOf(calls));
  return new Set(rows.map(({ integration: uuid, step }) => callRef({ uuid, step })));
}

function namesOf(calls: readonly CallName[]): Buffer[] {
  return [uuidArray(calls.map(({ uuid }) => uuid)), textArray(calls.map(({ step }) => step))];
}

/** The calls as they stand now; what never changes of them is taken as it is given. */
export async function renewCalls(tx: Transaction, calls: readonly Call[]): Promise<Call[]> {
  const rows = await tx.query<StandingRow>(FIND_STANDINGS, namesOf(calls));
  const given = new Map(calls.map((call) => [callRef(call), call]));
  return rows.flatMap((row) => {
    const call = given.get(callRef({ uuid: row.integration, step: row.step }));
    return call === undefined ? [] : { ...call, ...standingOf(row) };
  });
}

function standingOf({ state, tries, is_unknown: isUnknown, history, due_at: dueAt }: StandingRow) {
  return { state, tries, isUnknown, history: JSON.parse(history) as CallTry[], dueAt };
}

export function insertCalls(tx: Transaction, calls: readonly Call[], now: EpochMs): void {
  if (calls.length === 0) return;
  tx.run(INSERT_CALLS, [
    uuidArray(calls.map(({ uuid }) => uuid)),
    textArray(calls.map(({ step }) => step)),
    textArray(calls.map(({ tenant }) => tenant)),
    textArray(calls.map(({ connector }) => connector)),
    int4Array(calls.map(({ connectorVersion }) => connectorVersion)),
    textArray(calls.map(({ destination }) => destination)),
    textArray(calls.map(({ request }) => JSON.stringify(request))),
    textArray(calls.map(({ state }) => state)),
    int4Array(calls.map(({ tries }) => tries)),
    timestamptzArray(calls.map(({ dueAt }) => dueAt)),
    timestamptzArray(calls.map(({ giveUpAt }) => giveUpAt)),
    int4Array(calls.map(({ timeoutMs }) => timeoutMs)),
    textArray(calls.map(({ cause }) => cause)),
    uuidArray(calls.map(({ origin }) => origin)),
    textArray(calls.map(({ correlationId }) => correlationId)),
    textArray(calls.map(({ traceparent }) => traceparent)),
    new Date(now),
  ]);
}

export function updateCalls(tx: Transaction, calls: readonly Call[]): void {
  if (calls.length === 0) return;
  tx.run(UPDATE_CALLS, [
    uuidArray(calls.map(({ uuid }) => uuid)),
    textArray(calls.map(({ step }) => step)),
    textArray(calls.map(({ state }) => state)),
    int4Array(calls.map(({ tries }) => tries)),
    boolArray(calls.map(({ isUnknown }) => isUnknown)),
    textArray(calls.map(({ history }) => JSON.stringify(history))),
    timestamptzArray(calls.map(({ dueAt }) => dueAt)),
  ]);
}

export function endCalls(tx: Transaction, integrations: readonly Pick<Call, 'uuid'>[]): void {
  if (integrations.length === 0) return;
  tx.run(END_CALLS, [uuidArray(integrations.map(({ uuid }) => uuid))]);
}

export async function claimCalls(
  session: Session,
  { now, limit }: { readonly now: EpochMs; readonly limit: number },
): Promise<Call[]> {
  const rows = await session.query<CallRow>(CLAIM_CALLS, [new Date(now), TAKEN_BESIDE_TIMEOUT_MS, limit]);
  return rows.map(callOf);
}

export async function hastenCalls(
  session: Session,
  back: readonly Pick<Call, 'tenant' | 'connector' | 'destination'>[],
  now: EpochMs,
): Promise<void> {
  if (back.length === 0) return;
  await session.query(HASTEN_CALLS, [
    new Date(now),
    textArray(back.map(({ tenant }) => tenant)),
    textArray(back.map(({ connector }) => connector)),
    textArray(back.map(({ destination }) => destination)),
  ]);
}
