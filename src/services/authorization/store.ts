import type { EpochMs } from '#kernel/clock.ts';
import { idOf, type PaymentId, uuidOf } from '#kernel/ids.ts';
import { int4Array, int8Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Statement, statement, type Transaction } from '#platform/postgres/session.ts';
import type { RefundTerms } from '#services/payments/contract.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';
import type {
  OpenCompensation,
  PaymentSaga,
  PaymentState,
  RefundSaga,
  RefundState,
  SagaChanges,
} from './sagas.ts';

/** What sagas of payments and of refunds have in common, in the order of `termsOf`. */
const TERMS = {
  definition: 'text',
  state: 'text',
  wallet_id: 'text',
  service_id: 'text',
  amount: 'bigint',
  currency: 'text',
  method: 'text',
} as const;

interface SagaTable {
  readonly name: 'sagas' | 'refund_sagas';
  readonly key: 'payment_id' | 'refund_id';
  readonly columns: Readonly<Record<string, string>>;
}

const OF_PAYMENTS: SagaTable = {
  name: 'sagas',
  key: 'payment_id',
  columns: { payment_id: 'uuid', ...TERMS },
};

const OF_REFUNDS: SagaTable = {
  name: 'refund_sagas',
  key: 'refund_id',
  columns: { refund_id: 'uuid', payment_id: 'uuid', ...TERMS },
};

/** By primary key. No lock: a saga's events are in one partition, and the fence admits one worker to it (R1). */
function finding({ name, key, columns }: SagaTable): Statement {
  const read = Object.keys(columns).map((column) => `s.${column}`);
  return statement(
    `authorization.find_${name}`,
    `select ${read.join(', ')}
     from ${batchRows('wanted', { [key]: 'uuid' })}
     cross join lateral (select * from "authorization".${name} s where s.${key} = wanted.${key} offset 0) s`,
  );
}

function inserting({ name, columns }: SagaTable): Statement {
  const written = Object.keys(columns);
  return statement(
    `authorization.insert_${name}`,
    `insert into "authorization".${name} (${written.join(', ')}, updated_at)
     select ${written.join(', ')}, $${written.length + 1}::timestamptz from ${batchRows('v', columns)}`,
  );
}

/** By primary key, behind the fence (R1): nobody else moves these sagas; touches no indexed column (HOT). */
function moving({ name, key }: SagaTable): Statement {
  return statement(
    `authorization.update_${name}`,
    `update "authorization".${name} s set state = v.state, updated_at = $3::timestamptz
     from ${batchRows('v', { [key]: 'uuid', state: 'text' })}
     cross join lateral (select t.ctid from "authorization".${name} t where t.${key} = v.${key} offset 0) as found(at)
     where s.ctid = found.at`,
  );
}

export const FIND_SAGAS = finding(OF_PAYMENTS);
export const INSERT_SAGAS = inserting(OF_PAYMENTS);
export const UPDATE_SAGAS = moving(OF_PAYMENTS);
export const FIND_REFUND_SAGAS = finding(OF_REFUNDS);
export const INSERT_REFUND_SAGAS = inserting(OF_REFUNDS);
export const UPDATE_REFUND_SAGAS = moving(OF_REFUNDS);

/**
 * By primary key. Locked, because who asks again for what failed (ask-again.ts) is no consumer and stands behind no fence.
 */
export const FIND_COMPENSATIONS = statement(
  'authorization.find_compensations',
  `select c.payment_id, c.steps, c.code, c.detail, c.failures, c.retry_at, c.ask
   from ${batchRows('wanted', { payment_id: 'uuid' })}
   cross join lateral (
     select * from "authorization".compensations c where c.payment_id = wanted.payment_id for no key update
   ) c`,
);

export const KEEP_COMPENSATIONS = statement(
  'authorization.keep_compensations',
  `insert into "authorization".compensations (payment_id, steps, code, detail, failures, retry_at, ask, updated_at)
   select payment_id, steps, code, detail, failures, retry_at, ask, $8::timestamptz
   from ${batchRows('v', {
     payment_id: 'uuid',
     steps: 'text',
     code: 'text',
     detail: 'text',
     failures: 'integer',
     retry_at: 'timestamptz',
     ask: 'text',
   })}
   on conflict (payment_id) do update
     set steps = excluded.steps, code = excluded.code, detail = excluded.detail, failures = excluded.failures,
         retry_at = excluded.retry_at, ask = excluded.ask, updated_at = excluded.updated_at`,
);

/** By primary key. */
export const END_COMPENSATIONS = statement(
  'authorization.end_compensations',
  `delete from "authorization".compensations c
   using ${batchRows('ended', { payment_id: 'uuid' })}
   cross join lateral (
     select t.ctid from "authorization".compensations t where t.payment_id = ended.payment_id offset 0
   ) as found(at)
   where c.ctid = found.at`,
);

type TermsRow<Terms extends { readonly amount: number }> = Omit<Terms, 'amount'> & {
  readonly amount: bigint;
};

type PaymentSagaRow = TermsRow<PaymentTerms> & {
  payment_id: string;
  definition: string;
  state: PaymentState;
};

export async function findSagas(
  tx: Transaction,
  uuids: readonly string[],
): Promise<Map<string, PaymentSaga>> {
  if (uuids.length === 0) return new Map();
  const rows = await tx.query<PaymentSagaRow>(FIND_SAGAS, [uuidArray(uuids)]);
  return new Map(
    rows.map(({ payment_id, definition, state, amount, ...terms }) => [
      payment_id,
      { uuid: payment_id, definition, state, terms: { ...terms, amount: Number(amount) } },
    ]),
  );
}

type RefundSagaRow = Omit<TermsRow<RefundTerms>, 'payment_id'> & {
  refund_id: string;
  payment_id: string;
  definition: string;
  state: RefundState;
};

export async function findRefundSagas(
  tx: Transaction,
  uuids: readonly string[],
): Promise<Map<string, RefundSaga>> {
  if (uuids.length === 0) return new Map();
  const rows = await tx.query<RefundSagaRow>(FIND_REFUND_SAGAS, [uuidArray(uuids)]);
  return new Map(
    rows.map(({ refund_id, payment_id, definition, state, amount, ...terms }) => [
      refund_id,
      {
        uuid: refund_id,
        definition,
        state,
        terms: { payment_id: idOf('pay', payment_id), ...terms, amount: Number(amount) },
      },
    ]),
  );
}

interface CompensationRow {
  payment_id: string;
  steps: string;
  code: string;
  detail: string;
  failures: number;
  retry_at: EpochMs | null;
  ask: string | null;
}

export async function findCompensations(
  tx: Transaction,
  paymentUuids: readonly string[],
): Promise<Map<string, OpenCompensation>> {
  if (paymentUuids.length === 0) return new Map();
  const rows = await tx.query<CompensationRow>(FIND_COMPENSATIONS, [uuidArray(paymentUuids.toSorted())]);
  return new Map(
    rows.map(({ payment_id, steps, retry_at, ...row }) => [
      payment_id,
      {
        ...row,
        paymentUuid: payment_id,
        steps: JSON.parse(steps) as OpenCompensation['steps'],
        retryAt: retry_at,
      },
    ]),
  );
}

/** Sends everything that became of the sagas. */
export function saveSagas(tx: Transaction, changes: SagaChanges, now: EpochMs): void {
  insertSagas(tx, changes.begun, now);
  moveSagas(tx, UPDATE_SAGAS, changes.moved, now);
  insertRefundSagas(tx, changes.refundsBegun, now);
  moveSagas(tx, UPDATE_REFUND_SAGAS, changes.refundsMoved, now);
  keepCompensations(tx, changes.compensationsKept, now);
  if (changes.compensationsEnded.length > 0)
    tx.run(END_COMPENSATIONS, [uuidArray(changes.compensationsEnded)]);
}

function insertSagas(tx: Transaction, sagas: readonly PaymentSaga[], now: EpochMs): void {
  if (sagas.length === 0) return;
  tx.run(INSERT_SAGAS, [uuidsOf(sagas), ...termsOf(sagas), new Date(now)]);
}

function insertRefundSagas(tx: Transaction, sagas: readonly RefundSaga[], now: EpochMs): void {
  if (sagas.length === 0) return;
  const payments = sagas.map(({ terms }) => uuidOf(terms.payment_id as PaymentId));
  tx.run(INSERT_REFUND_SAGAS, [uuidsOf(sagas), uuidArray(payments), ...termsOf(sagas), new Date(now)]);
}

function moveSagas(
  tx: Transaction,
  update: Statement,
  sagas: readonly (PaymentSaga | RefundSaga)[],
  now: EpochMs,
): void {
  if (sagas.length === 0) return;
  tx.run(update, [uuidsOf(sagas), textArray(sagas.map(({ state }) => state)), new Date(now)]);
}

function uuidsOf(sagas: readonly (PaymentSaga | RefundSaga)[]): Buffer {
  return uuidArray(sagas.map(({ uuid }) => uuid));
}

function termsOf(sagas: readonly (PaymentSaga | RefundSaga)[]): Buffer[] {
  return [
    textArray(sagas.map(({ definition }) => definition)),
    textArray(sagas.map(({ state }) => state)),
    textArray(sagas.map(({ terms }) => terms.wallet_id)),
    textArray(sagas.map(({ terms }) => terms.service_id)),
    int8Array(sagas.map(({ terms }) => terms.amount)),
    textArray(sagas.map(({ terms }) => terms.currency)),
    textArray(sagas.map(({ terms }) => terms.method)),
  ];
}

function keepCompensations(tx: Transaction, kept: readonly OpenCompensation[], now: EpochMs): void {
  if (kept.length === 0) return;
  tx.run(KEEP_COMPENSATIONS, [
    uuidArray(kept.map(({ paymentUuid }) => paymentUuid)),
    textArray(kept.map(({ steps }) => JSON.stringify(steps))),
    textArray(kept.map(({ code }) => code)),
    textArray(kept.map(({ detail }) => detail)),
    int4Array(kept.map(({ failures }) => failures)),
    timestamptzArray(kept.map(({ retryAt }) => retryAt)),
    textArray(kept.map(({ ask }) => ask)),
    new Date(now),
  ]);
}
