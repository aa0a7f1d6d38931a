import type { EpochMs } from '#kernel/clock.ts';
import { int8Array, textArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';
import type { Saga, SagaState } from './coordinate.ts';

/** By primary key. No lock: a payment's events are in one partition, and the fence admits one worker to it (R1). */
export const FIND_SAGAS = statement(
  'authorization.find_sagas',
  `select s.payment_id, s.definition, s.state, s.wallet_id, s.service_id, s.amount, s.currency, s.method
   from ${batchRows('wanted', { payment_id: 'uuid' })}
   cross join lateral (select * from "authorization".sagas s where s.payment_id = wanted.payment_id offset 0) s`,
);

export const INSERT_SAGAS = statement(
  'authorization.insert_sagas',
  `insert into "authorization".sagas (payment_id, definition, state, wallet_id, service_id, amount, currency, method, updated_at)
   select payment_id, definition, state, wallet_id, service_id, amount, currency, method, $9::timestamptz
   from ${batchRows('v', {
     payment_id: 'uuid',
     definition: 'text',
     state: 'text',
     wallet_id: 'text',
     service_id: 'text',
     amount: 'bigint',
     currency: 'text',
     method: 'text',
   })}`,
);

/** By primary key, behind the fence (R1): nobody else moves these sagas; touches no indexed column (HOT). */
export const UPDATE_SAGAS = statement(
  'authorization.update_sagas',
  `update "authorization".sagas s set state = v.state, updated_at = $3::timestamptz
   from ${batchRows('v', { payment_id: 'uuid', state: 'text' })}
   cross join lateral (select t.ctid from "authorization".sagas t where t.payment_id = v.payment_id offset 0) as found(at)
   where s.ctid = found.at`,
);

interface SagaRow {
  payment_id: string;
  definition: string;
  state: SagaState;
  wallet_id: string;
  service_id: string;
  amount: bigint;
  currency: string;
  method: PaymentTerms['method'];
}

export async function findSagas(
  tx: Transaction,
  paymentUuids: readonly string[],
): Promise<Map<string, Saga>> {
  const rows = await tx.query<SagaRow>(FIND_SAGAS, [uuidArray(paymentUuids)]);
  return new Map(
    rows.map(({ payment_id, definition, state, amount, ...terms }) => [
      payment_id,
      { paymentUuid: payment_id, definition, state, terms: { ...terms, amount: Number(amount) } },
    ]),
  );
}

export function insertSagas(tx: Transaction, sagas: readonly Saga[], now: EpochMs): void {
  if (sagas.length === 0) return;
  tx.run(INSERT_SAGAS, [
    uuidArray(sagas.map((saga) => saga.paymentUuid)),
    textArray(sagas.map((saga) => saga.definition)),
    textArray(sagas.map((saga) => saga.state)),
    textArray(sagas.map((saga) => saga.terms.wallet_id)),
    textArray(sagas.map((saga) => saga.terms.service_id)),
    int8Array(sagas.map((saga) => saga.terms.amount)),
    textArray(sagas.map((saga) => saga.terms.currency)),
    textArray(sagas.map((saga) => saga.terms.method)),
    new Date(now),
  ]);
}

export function updateSagas(tx: Transaction, sagas: readonly Saga[], now: EpochMs): void {
  if (sagas.length === 0) return;
  tx.run(UPDATE_SAGAS, [
    uuidArray(sagas.map((saga) => saga.paymentUuid)),
    textArray(sagas.map((saga) => saga.state)),
    new Date(now),
  ]);
}
