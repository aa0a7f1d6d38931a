/** An attempt as a row of `providers.attempts`, and a batch of them as columns. */
import type { EpochMs } from '#kernel/clock.ts';
import {
  boolArray,
  int2Array,
  int4Array,
  int8Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from '#platform/postgres/arrays.ts';
import type { Attempt } from './attempt.ts';

/** Every column, in the order of `columnsOf`. */
export const COLUMNS = {
  id: 'uuid',
  tenant: 'text',
  subject: 'text',
  key: 'text',
  partition: 'smallint',
  kind: 'text',
  purpose: 'text',
  charge_id: 'uuid',
  provider: 'text',
  others: 'text',
  number: 'integer',
  amount: 'bigint',
  currency: 'text',
  state: 'text',
  exposed: 'boolean',
  cancelling: 'boolean',
  told_unknown: 'boolean',
  told_unresolved: 'boolean',
  contradictions: 'text',
  send_before: 'timestamptz',
  due_at: 'timestamptz',
  calls: 'integer',
  heard: 'integer',
  tries: 'integer',
  deadline_at: 'timestamptz',
  correlation_id: 'text',
  traceparent: 'text',
  cause: 'text',
  provider_reference: 'text',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
} as const;

/** What is read of a row: never `*`, whose meaning a later migration changes under the statements of live sessions. */
export function columnsIn(alias: string): string {
  return Object.keys(COLUMNS)
    .map((column) => `${alias}.${column}`)
    .join(', ');
}

/** What decisions change, in the order of `changingColumnsOf`, behind the id. */
export const CHANGING = {
  state: 'text',
  exposed: 'boolean',
  cancelling: 'boolean',
  told_unknown: 'boolean',
  told_unresolved: 'boolean',
  contradictions: 'text',
  due_at: 'timestamptz',
  heard: 'integer',
  tries: 'integer',
  cause: 'text',
  provider_reference: 'text',
  updated_at: 'timestamptz',
} as const;

export interface AttemptRow {
  id: string;
  tenant: string;
  subject: string;
  key: string;
  partition: number;
  kind: Attempt['kind'];
  purpose: Attempt['purpose'];
  charge_id: string | null;
  provider: string;
  others: string;
  number: number;
  amount: bigint;
  currency: string;
  state: Attempt['state'];
  exposed: boolean;
  cancelling: boolean;
  told_unknown: boolean;
  told_unresolved: boolean;
  contradictions: string;
  send_before: EpochMs;
  due_at: EpochMs | null;
  calls: number;
  heard: number;
  tries: number;
  deadline_at: EpochMs;
  correlation_id: string;
  traceparent: string | null;
  cause: string;
  provider_reference: string | null;
  created_at: EpochMs;
  updated_at: EpochMs;
}

export function attemptOf(row: AttemptRow): Attempt {
  return {
    uuid: row.id,
    tenant: row.tenant,
    subject: row.subject,
    key: row.key,
    partition: row.partition,
    kind: row.kind,
    purpose: row.purpose,
    chargeUuid: row.charge_id,
    provider: row.provider,
    others: JSON.parse(row.others) as string[],
    number: row.number,
    amount: Number(row.amount),
    currency: row.currency,
    state: row.state,
    exposed: row.exposed,
    cancelling: row.cancelling,
    toldUnknown: row.told_unknown,
    toldUnresolved: row.told_unresolved,
    contradictions: row.contradictions === '' ? [] : row.contradictions.split(' '),
    sendBefore: row.send_before,
    dueAt: row.due_at,
    calls: row.calls,
    heard: row.heard,
    tries: row.tries,
    deadlineAt: row.deadline_at,
    correlationId: row.correlation_id,
    traceparent: row.traceparent,
    cause: row.cause,
    providerReference: row.provider_reference,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export function columnsOf(begun: readonly Attempt[]): Buffer[] {
  return [
    uuidArray(begun.map(({ uuid }) => uuid)),
    textArray(begun.map(({ tenant }) => tenant)),
    textArray(begun.map(({ subject }) => subject)),
    textArray(begun.map(({ key }) => key)),
    int2Array(begun.map(({ partition }) => partition)),
    textArray(begun.map(({ kind }) => kind)),
    textArray(begun.map(({ purpose }) => purpose)),
    uuidArray(begun.map(({ chargeUuid }) => chargeUuid)),
    textArray(begun.map(({ provider }) => provider)),
    textArray(begun.map(({ others }) => JSON.stringify(others))),
    int4Array(begun.map(({ number }) => number)),
    int8Array(begun.map(({ amount }) => amount)),
    textArray(begun.map(({ currency }) => currency)),
    textArray(begun.map(({ state }) => state)),
    boolArray(begun.map(({ exposed }) => exposed)),
    boolArray(begun.map(({ cancelling }) => cancelling)),
    boolArray(begun.map(({ toldUnknown }) => toldUnknown)),
    boolArray(begun.map(({ toldUnresolved }) => toldUnresolved)),
    textArray(begun.map(({ contradictions }) => contradictions.join(' '))),
    timestamptzArray(begun.map(({ sendBefore }) => sendBefore)),
    timestamptzArray(begun.map(({ dueAt }) => dueAt)),
    int4Array(begun.map(({ calls }) => calls)),
    int4Array(begun.map(({ heard }) => heard)),
    int4Array(begun.map(({ tries }) => tries)),
    timestamptzArray(begun.map(({ deadlineAt }) => deadlineAt)),
    textArray(begun.map(({ correlationId }) => correlationId)),
    textArray(begun.map(({ traceparent }) => traceparent)),
    textArray(begun.map(({ cause }) => cause)),
    textArray(begun.map(({ providerReference }) => providerReference)),
    timestamptzArray(begun.map(({ createdAt }) => createdAt)),
    timestamptzArray(begun.map(({ updatedAt }) => updatedAt)),
  ];
}

/** Changed now, or when a clock that was ahead of ours had changed them before. */
export function changingColumnsOf(changed: readonly Attempt[], now: EpochMs): Buffer[] {
  return [
    uuidArray(changed.map(({ uuid }) => uuid)),
    textArray(changed.map(({ state }) => state)),
    boolArray(changed.map(({ exposed }) => exposed)),
    boolArray(changed.map(({ cancelling }) => cancelling)),
    boolArray(changed.map(({ toldUnknown }) => toldUnknown)),
    boolArray(changed.map(({ toldUnresolved }) => toldUnresolved)),
    textArray(changed.map(({ contradictions }) => contradictions.join(' '))),
    timestamptzArray(changed.map(({ dueAt }) => dueAt)),
    int4Array(changed.map(({ heard }) => heard)),
    int4Array(changed.map(({ tries }) => tries)),
    textArray(changed.map(({ cause }) => cause)),
    textArray(changed.map(({ providerReference }) => providerReference)),
    timestamptzArray(changed.map(({ updatedAt }) => Math.max(now, updatedAt))),
  ];
}
