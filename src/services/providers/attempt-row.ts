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

/** Every column. */
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

/** What decisions change. */
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

type Encode = (attempts: readonly Attempt[]) => Buffer;

const ENCODED: Readonly<Record<keyof typeof COLUMNS, Encode>> = {
  id: (of) => uuidArray(of.map(({ uuid }) => uuid)),
  tenant: (of) => textArray(of.map(({ tenant }) => tenant)),
  subject: (of) => textArray(of.map(({ subject }) => subject)),
  key: (of) => textArray(of.map(({ key }) => key)),
  partition: (of) => int2Array(of.map(({ partition }) => partition)),
  kind: (of) => textArray(of.map(({ kind }) => kind)),
  purpose: (of) => textArray(of.map(({ purpose }) => purpose)),
  charge_id: (of) => uuidArray(of.map(({ chargeUuid }) => chargeUuid)),
  provider: (of) => textArray(of.map(({ provider }) => provider)),
  others: (of) => textArray(of.map(({ others }) => JSON.stringify(others))),
  number: (of) => int4Array(of.map(({ number }) => number)),
  amount: (of) => int8Array(of.map(({ amount }) => amount)),
  currency: (of) => textArray(of.map(({ currency }) => currency)),
  state: (of) => textArray(of.map(({ state }) => state)),
  exposed: (of) => boolArray(of.map(({ exposed }) => exposed)),
  cancelling: (of) => boolArray(of.map(({ cancelling }) => cancelling)),
  told_unknown: (of) => boolArray(of.map(({ toldUnknown }) => toldUnknown)),
  told_unresolved: (of) => boolArray(of.map(({ toldUnresolved }) => toldUnresolved)),
  contradictions: (of) => textArray(of.map(({ contradictions }) => contradictions.join(' '))),
  send_before: (of) => timestamptzArray(of.map(({ sendBefore }) => sendBefore)),
  due_at: (of) => timestamptzArray(of.map(({ dueAt }) => dueAt)),
  calls: (of) => int4Array(of.map(({ calls }) => calls)),
  heard: (of) => int4Array(of.map(({ heard }) => heard)),
  tries: (of) => int4Array(of.map(({ tries }) => tries)),
  deadline_at: (of) => timestamptzArray(of.map(({ deadlineAt }) => deadlineAt)),
  correlation_id: (of) => textArray(of.map(({ correlationId }) => correlationId)),
  traceparent: (of) => textArray(of.map(({ traceparent }) => traceparent)),
  cause: (of) => textArray(of.map(({ cause }) => cause)),
  provider_reference: (of) => textArray(of.map(({ providerReference }) => providerReference)),
  created_at: (of) => timestamptzArray(of.map(({ createdAt }) => createdAt)),
  updated_at: (of) => timestamptzArray(of.map(({ updatedAt }) => updatedAt)),
};

export function columnsOf(begun: readonly Attempt[]): Buffer[] {
  return keysOf(COLUMNS).map((column) => ENCODED[column](begun));
}

/** Changed now, or when a clock that was ahead of ours had changed them before. */
export function changingColumnsOf(changed: readonly Attempt[], now: EpochMs): Buffer[] {
  const updatedAt: Encode = (of) => timestamptzArray(of.map((each) => Math.max(now, each.updatedAt)));
  const encoded = { ...ENCODED, updated_at: updatedAt };
  return [encoded.id(changed), ...keysOf(CHANGING).map((column) => encoded[column](changed))];
}

function keysOf<Columns extends object>(columns: Columns): (keyof Columns)[] {
  return Object.keys(columns) as (keyof Columns)[];
}
