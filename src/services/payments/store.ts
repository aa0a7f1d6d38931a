import type { EpochMs } from '#kernel/clock.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { int8Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Statement, statement, type Transaction } from '#platform/postgres/session.ts';
import { isFinal, isUnpaid, type Payment, type PaymentOrder, type PaymentStatus } from './payment.ts';
import type { StatusChange } from './payment-status.ts';
import { referenceKey, type TakenReferences } from './request-payment.ts';

/** No lock: the primary key arbitrates between processes, and the loser decides anew. */
export const FIND_REFERENCES = statement(
  'payments.find_references',
  `select r.tenant, r.wallet_id, r.service_id, r.reference, r.payment_id
   from ${batchRows('wanted', { tenant: 'text', wallet_id: 'text', service_id: 'text', reference: 'text' })}
   cross join lateral (
     select * from payments.payment_references r
     where r.tenant = wanted.tenant and r.wallet_id = wanted.wallet_id and r.service_id = wanted.service_id
       and r.reference = wanted.reference
     offset 0
   ) r`,
);

/** R3: the caller sorts; after the idempotency keys. */
export const INSERT_REFERENCES = statement(
  'payments.insert_references',
  `insert into payments.payment_references (tenant, wallet_id, service_id, reference, payment_id)
   select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[])`,
);

/** What ended without having moved money frees its reference. By primary key. */
export const FREE_REFERENCES = statement(
  'payments.free_references',
  `delete from payments.payment_references r
   using ${batchRows('ended', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select p.wallet_id, p.service_id, p.reference from payments.payments p
     where p.tenant = ended.tenant and p.id = ended.id and p.reference is not null offset 0
   ) p
   cross join lateral (
     select t.ctid from payments.payment_references t
     where t.tenant = ended.tenant and t.wallet_id = p.wallet_id and t.service_id = p.service_id
       and t.reference = p.reference and t.payment_id = ended.id offset 0
   ) as found(at)
   where r.ctid = found.at`,
);

export const INSERT_PAYMENTS = statement(
  'payments.insert_payments',
  `insert into payments.payments (tenant, id, wallet_id, service_id, amount, currency, method, reference, description,
                                  metadata, status, correlation_id, created_at, updated_at)
   select tenant, id, wallet_id, service_id, amount, currency, method, reference, description, metadata, 'pending',
          correlation_id, $12::timestamptz, $12::timestamptz
   from ${batchRows('v', {
     tenant: 'text',
     id: 'uuid',
     wallet_id: 'text',
     service_id: 'text',
     amount: 'bigint',
     currency: 'text',
     method: 'text',
     reference: 'text',
     description: 'text',
     metadata: 'text',
     correlation_id: 'text',
   })}`,
);

/**
 * What a later event of the coordinator's says replaces what an earlier one said; what was said before changes nothing
 * (U3). Position 0 is validation's: only a payment of which nothing was told yet. By primary key, behind the fence (R1):
 * nobody else updates payments; touches no indexed column (HOT).
 */
export const UPDATE_STATUSES = statement(
  'payments.update_statuses',
  `update payments.payments p
   set status = coalesce(v.status, p.status), failure_code = v.failure_code, failure_detail = v.failure_detail,
       updated_at = v.updated_at, status_position = v.status_position
   from ${batchRows('v', {
     tenant: 'text',
     id: 'uuid',
     status: 'text',
     status_position: 'bigint',
     failure_code: 'text',
     failure_detail: 'text',
     updated_at: 'timestamptz',
   })}
   cross join lateral (
     select t.ctid from payments.payments t
     where t.tenant = v.tenant and t.id = v.id
       and case v.status_position when 0 then t.status = 'pending' else t.status_position < v.status_position end
     offset 0
   ) as found(at)
   where p.ctid = found.at`,
);

const CHANGED = batchRows('changed', { tenant: 'text', id: 'uuid' });

/** Who waits for a person is found by the payment's own row, behind UPDATE_STATUSES. By primary key. */
export const NOTE_RECONCILIATIONS = statement(
  'payments.note_reconciliations',
  `insert into payments.reconciliations (tenant, payment_id)
   select p.tenant, p.id from ${CHANGED}
   cross join lateral (
     select p.tenant, p.id from payments.payments p
     where p.tenant = changed.tenant and p.id = changed.id and p.status = 'reconciliation_required' offset 0
   ) p
   on conflict do nothing`,
);

/** By primary keys, the waiting one first: hardly any payment is there. */
export const FORGET_RECONCILIATIONS = statement(
  'payments.forget_reconciliations',
  `delete from payments.reconciliations r
   using ${CHANGED}
   cross join lateral (
     select t.ctid from payments.reconciliations t
     where t.tenant = changed.tenant and t.payment_id = changed.id offset 0
   ) as found(at)
   cross join lateral (
     select from payments.payments p
     where p.tenant = changed.tenant and p.id = changed.id and p.status <> 'reconciliation_required' offset 0
   ) p
   where r.ctid = found.at`,
);

export async function findReferences(
  tx: Transaction,
  orders: readonly { tenant: string; order: PaymentOrder }[],
): Promise<TakenReferences> {
  const wanted = orders.filter(({ tenant, order }) => referenceKey(tenant, order) !== undefined);
  if (wanted.length === 0) return new Map();
  const rows = await tx.query<{
    tenant: string;
    wallet_id: string;
    service_id: string;
    reference: string;
    payment_id: string;
  }>(FIND_REFERENCES, [
    textArray(wanted.map(({ tenant }) => tenant)),
    textArray(wanted.map(({ order }) => order.wallet_id)),
    textArray(wanted.map(({ order }) => order.service_id)),
    textArray(wanted.map(({ order }) => order.reference ?? null)),
  ]);
  return new Map(
    rows.map((row) => [`${row.tenant}/${row.wallet_id}/${row.service_id}/${row.reference}`, row.payment_id]),
  );
}

export function insertPayments(tx: Transaction, payments: readonly Payment[], now: EpochMs): void {
  if (payments.length === 0) return;
  insertReferences(tx, payments);
  tx.run(INSERT_PAYMENTS, [
    textArray(payments.map((payment) => payment.tenant)),
    uuidArray(payments.map((payment) => payment.uuid)),
    textArray(payments.map((payment) => payment.walletId)),
    textArray(payments.map((payment) => payment.serviceId)),
    int8Array(payments.map((payment) => payment.amountMinor)),
    textArray(payments.map((payment) => payment.currency)),
    textArray(payments.map((payment) => payment.method)),
    textArray(payments.map((payment) => payment.reference)),
    textArray(payments.map((payment) => payment.description)),
    textArray(
      payments.map((payment) => (payment.metadata === null ? null : JSON.stringify(payment.metadata))),
    ),
    textArray(payments.map((payment) => payment.correlationId)),
    new Date(now),
  ]);
}

function insertReferences(tx: Transaction, payments: readonly Payment[]): void {
  const taken = payments.filter((payment) => payment.reference !== null).sort(byReference);
  if (taken.length === 0) return;
  tx.run(INSERT_REFERENCES, [
    textArray(taken.map((payment) => payment.tenant)),
    textArray(taken.map((payment) => payment.walletId)),
    textArray(taken.map((payment) => payment.serviceId)),
    textArray(taken.map((payment) => payment.reference)),
    uuidArray(taken.map((payment) => payment.uuid)),
  ]);
}

function byReference(a: Payment, b: Payment): number {
  return referenceOf(a) < referenceOf(b) ? -1 : 1;
}

function referenceOf({ tenant, walletId, serviceId, reference }: Payment): string {
  return referenceKey(tenant, { wallet_id: walletId, service_id: serviceId, reference }) ?? '';
}

export function updateStatuses(tx: Transaction, changes: readonly StatusChange[]): void {
  if (changes.length === 0) return;
  tx.run(UPDATE_STATUSES, [
    textArray(changes.map((change) => change.tenant)),
    uuidArray(changes.map((change) => change.uuid)),
    textArray(changes.map((change) => change.status)),
    int8Array(changes.map((change) => change.position)),
    textArray(changes.map((change) => change.failure?.code ?? null)),
    textArray(changes.map((change) => change.failure?.detail ?? null)),
    timestamptzArray(changes.map((change) => change.at)),
  ]);
  runFor(tx, FREE_REFERENCES, changes.filter(isUnpaidEnding));
  runFor(tx, NOTE_RECONCILIATIONS, changes.filter(waits));
  runFor(tx, FORGET_RECONCILIATIONS, changes.filter(mayHaveWaited));
}

function runFor(tx: Transaction, query: Statement, changes: readonly StatusChange[]): void {
  if (changes.length === 0) return;
  tx.run(query, [
    textArray(changes.map((change) => change.tenant)),
    uuidArray(changes.map((change) => change.uuid)),
  ]);
}

function isUnpaidEnding({ status }: StatusChange): boolean {
  return status !== null && isUnpaid(status);
}

function waits({ status }: StatusChange): boolean {
  return status === 'reconciliation_required';
}

/** A payment from the wallet's balance alone never waits for a person. */
function mayHaveWaited({ status, method }: StatusChange): boolean {
  return method === 'gateway' && status !== null && isFinal(status);
}

export interface PaymentRow {
  tenant: string;
  id: string;
  wallet_id: string;
  service_id: string;
  amount: bigint;
  currency: string;
  method: 'balance' | 'gateway';
  reference: string | null;
  description: string | null;
  metadata: string | null;
  status: PaymentStatus;
  failure_code: string | null;
  failure_detail: string | null;
  /** Of the payment's totals; null if it has none. */
  refunded: bigint | null;
  correlation_id: string;
  created_at: EpochMs;
  updated_at: EpochMs;
}

export function paymentOf(row: PaymentRow): Payment {
  return {
    tenant: row.tenant,
    uuid: row.id,
    walletId: row.wallet_id,
    serviceId: row.service_id,
    amountMinor: row.amount,
    currency: row.currency,
    method: row.method,
    reference: row.reference,
    description: row.description,
    metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as JsonObject),
    status: row.status,
    failure: row.failure_code === null ? null : { code: row.failure_code, detail: row.failure_detail ?? '' },
    refundedMinor: row.refunded ?? 0n,
    correlationId: row.correlation_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
