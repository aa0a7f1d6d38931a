/** The statements over refunds and the totals of their payments. */
import type { EpochMs } from '#kernel/clock.ts';
import { int8Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import { type ChangeablePayment, changeable } from './changeable-payment.ts';
import { paymentKey, type Refund, type RefundStatus, type RefundTotals } from './refund.ts';
import type { RefundChange, RefundStanding } from './refund-status.ts';
import type { RowRef } from './row-ref.ts';
import { type PaymentRow, paymentOf } from './store.ts';

const REFS = { tenant: 'text', payment_id: 'uuid' };

/** Locks in the order of the arrays, ascending (R3). What it returns is read by nobody: R2. By primary key. */
export const LOCK_TOTALS = statement(
  'payments.lock_refund_totals',
  `select t.payment_id from ${batchRows('wanted', REFS)}
   cross join lateral (
     select t.payment_id from payments.refund_totals t
     where t.tenant = wanted.tenant and t.payment_id = wanted.payment_id for no key update
   ) t`,
);

/** Behind LOCK_TOTALS. The payments themselves are not locked: only the saga's events change them. By primary keys. */
export const LOAD_CHANGEABLE = statement(
  'payments.load_changeable',
  `select p.tenant, p.id, p.wallet_id, p.service_id, p.amount, p.currency, p.method, p.reference, p.description,
     p.metadata, p.status, p.failure_code, p.failure_detail, p.correlation_id, p.created_at, p.updated_at,
     t.captured, t.promised, t.refunded, t.undo_requested_at
   from ${batchRows('wanted', REFS)}
   cross join lateral (
     select * from payments.payments p where p.tenant = wanted.tenant and p.id = wanted.payment_id offset 0
   ) p
   left join lateral (
     select * from payments.refund_totals t where t.tenant = wanted.tenant and t.payment_id = wanted.payment_id offset 0
   ) t on true`,
);

/** Behind LOCK_TOTALS. By primary key. */
export const LOAD_TOTALS = statement(
  'payments.load_refund_totals',
  `select t.tenant, t.payment_id, t.captured, t.promised, t.refunded, t.undo_requested_at
   from ${batchRows('wanted', REFS)}
   cross join lateral (
     select * from payments.refund_totals t where t.tenant = wanted.tenant and t.payment_id = wanted.payment_id offset 0
   ) t`,
);

/** No lock: behind the fence of the group, which alone changes them (R1). By primary key. */
export const LOAD_REFUNDS = statement(
  'payments.load_refunds',
  `select r.tenant, r.id, r.payment_id, r.amount, r.status, r.status_position
   from ${batchRows('wanted', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select * from payments.refunds r where r.tenant = wanted.tenant and r.id = wanted.id offset 0
   ) r`,
);

export const INSERT_REFUNDS = statement(
  'payments.insert_refunds',
  `insert into payments.refunds (tenant, id, payment_id, amount, currency, reason, status, correlation_id, created_at, updated_at)
   select tenant, id, payment_id, amount, currency, reason, 'pending', correlation_id, created_at, created_at
   from ${batchRows('v', {
     tenant: 'text',
     id: 'uuid',
     payment_id: 'uuid',
     amount: 'bigint',
     currency: 'text',
     reason: 'text',
     correlation_id: 'text',
     created_at: 'timestamptz',
   })}`,
);

const TOTALS = {
  ...REFS,
  captured: 'bigint',
  promised: 'bigint',
  refunded: 'bigint',
  undo_requested_at: 'timestamptz',
};

/** Ascending (R3). A row that another process inserted meanwhile raises a unique violation; the batch is decided anew. */
export const INSERT_TOTALS = statement(
  'payments.insert_refund_totals',
  `insert into payments.refund_totals (tenant, payment_id, captured, promised, refunded, undo_requested_at)
   select tenant, payment_id, captured, promised, refunded, undo_requested_at from ${batchRows('v', TOTALS)}`,
);

/** Of rows that this transaction has locked. By primary key; touches no indexed column (HOT). */
export const UPDATE_TOTALS = statement(
  'payments.update_refund_totals',
  `update payments.refund_totals t
   set promised = v.promised, refunded = v.refunded, undo_requested_at = v.undo_requested_at
   from ${batchRows('v', TOTALS)}
   cross join lateral (
     select x.ctid from payments.refund_totals x
     where x.tenant = v.tenant and x.payment_id = v.payment_id offset 0
   ) as found(at)
   where t.ctid = found.at`,
);

/** By primary key, behind the fence (R1): nobody else updates refunds. The status is in the predicate of an index. */
export const UPDATE_REFUNDS = statement(
  'payments.update_refunds',
  `update payments.refunds r
   set status = v.status, failure_code = v.failure_code, failure_detail = v.failure_detail, updated_at = v.updated_at,
       status_position = v.status_position
   from ${batchRows('v', {
     tenant: 'text',
     id: 'uuid',
     status: 'text',
     failure_code: 'text',
     failure_detail: 'text',
     updated_at: 'timestamptz',
     status_position: 'bigint',
   })}
   cross join lateral (
     select x.ctid from payments.refunds x where x.tenant = v.tenant and x.id = v.id offset 0
   ) as found(at)
   where r.ctid = found.at`,
);

/** Payments and their totals for a batch of changes, by `paymentKey`. Locks the totals, ascending, before it loads. */
export async function loadChangeable(
  tx: Transaction,
  payments: readonly RowRef[],
): Promise<Map<string, ChangeablePayment>> {
  const wanted = refArrays(inOrder(payments));
  tx.run(LOCK_TOTALS, wanted);
  const rows = await tx.query<ChangeableRow>(LOAD_CHANGEABLE, wanted);
  return new Map(
    rows.map((row) => [
      paymentKey({ tenant: row.tenant, uuid: row.id }),
      changeable(paymentOf(row), totalsIn(row)),
    ]),
  );
}

/** Totals for a batch of events, by `paymentKey`. Locks them, ascending, before it loads. */
export async function lockTotals(
  tx: Transaction,
  payments: readonly RowRef[],
): Promise<Map<string, RefundTotals>> {
  if (payments.length === 0) return new Map();
  const wanted = refArrays(inOrder(payments));
  tx.run(LOCK_TOTALS, wanted);
  const rows = await tx.query<TotalsRow>(LOAD_TOTALS, wanted);
  return new Map(
    rows.map((row) => [paymentKey({ tenant: row.tenant, uuid: row.payment_id }), totalsOf(row)]),
  );
}

/** By `paymentKey` of tenant and the refund's own uuid. */
export async function loadRefunds(
  tx: Transaction,
  refunds: readonly { readonly tenant: string; readonly uuid: string }[],
): Promise<Map<string, RefundStanding>> {
  if (refunds.length === 0) return new Map();
  const wanted = inOrder(refunds);
  const rows = await tx.query<StandingRow>(LOAD_REFUNDS, refArrays(wanted));
  return new Map(
    rows.map((row) => [
      paymentKey({ tenant: row.tenant, uuid: row.id }),
      {
        tenant: row.tenant,
        uuid: row.id,
        paymentUuid: row.payment_id,
        amountMinor: row.amount,
        status: row.status,
        statusPosition: Number(row.status_position),
      },
    ]),
  );
}

export function insertRefunds(tx: Transaction, refunds: readonly Refund[]): void {
  if (refunds.length === 0) return;
  tx.run(INSERT_REFUNDS, [
    textArray(refunds.map((refund) => refund.tenant)),
    uuidArray(refunds.map((refund) => refund.uuid)),
    uuidArray(refunds.map((refund) => refund.paymentUuid)),
    int8Array(refunds.map((refund) => refund.amountMinor)),
    textArray(refunds.map((refund) => refund.currency)),
    textArray(refunds.map((refund) => refund.reason)),
    textArray(refunds.map((refund) => refund.correlationId)),
    timestamptzArray(refunds.map((refund) => refund.createdAt)),
  ]);
}

/** Rows that are not there yet; sorts them (R3). */
export function insertTotals(tx: Transaction, totals: readonly RefundTotals[]): void {
  if (totals.length === 0) return;
  tx.run(INSERT_TOTALS, totalArrays(totals.toSorted(byPayment)));
}

/** Rows that this transaction has locked. */
export function updateTotals(tx: Transaction, totals: readonly RefundTotals[]): void {
  if (totals.length === 0) return;
  tx.run(UPDATE_TOTALS, totalArrays(totals));
}

export function updateRefunds(tx: Transaction, changes: readonly RefundChange[]): void {
  if (changes.length === 0) return;
  tx.run(UPDATE_REFUNDS, [
    textArray(changes.map((change) => change.tenant)),
    uuidArray(changes.map((change) => change.uuid)),
    textArray(changes.map((change) => change.status)),
    textArray(changes.map((change) => change.failure?.code ?? null)),
    textArray(changes.map((change) => change.failure?.detail ?? null)),
    timestamptzArray(changes.map((change) => change.at)),
    int8Array(changes.map((change) => change.position)),
  ]);
}

/** Each once, in the order in which every process locks them (R3). */
function inOrder(refs: readonly RowRef[]): RowRef[] {
  const byKey = new Map(refs.map((ref) => [paymentKey(ref), ref]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref);
}

function byPayment(a: RefundTotals, b: RefundTotals): number {
  const keyOf = ({ tenant, paymentUuid: uuid }: RefundTotals): string => paymentKey({ tenant, uuid });
  return keyOf(a) < keyOf(b) ? -1 : 1;
}

function refArrays(refs: readonly RowRef[]): Buffer[] {
  return [textArray(refs.map(({ tenant }) => tenant)), uuidArray(refs.map(({ uuid }) => uuid))];
}

function totalArrays(totals: readonly RefundTotals[]): Buffer[] {
  return [
    textArray(totals.map(({ tenant }) => tenant)),
    uuidArray(totals.map(({ paymentUuid }) => paymentUuid)),
    int8Array(totals.map(({ capturedMinor }) => capturedMinor)),
    int8Array(totals.map(({ promisedMinor }) => promisedMinor)),
    int8Array(totals.map(({ refundedMinor }) => refundedMinor)),
    timestamptzArray(totals.map(({ undoRequestedAt }) => undoRequestedAt)),
  ];
}

interface TotalsRow {
  tenant: string;
  payment_id: string;
  captured: bigint;
  promised: bigint;
  refunded: bigint;
  undo_requested_at: EpochMs | null;
}

/** A payment, and its totals or nulls. */
interface ChangeableRow extends PaymentRow {
  captured: bigint | null;
  promised: bigint | null;
  undo_requested_at: EpochMs | null;
}

interface StandingRow {
  tenant: string;
  id: string;
  payment_id: string;
  amount: bigint;
  status: RefundStatus;
  status_position: bigint;
}

function totalsIn({ tenant, id, captured, promised, refunded, undo_requested_at }: ChangeableRow) {
  if (captured === null) return undefined;
  const row = { captured, promised: promised ?? 0n, refunded: refunded ?? 0n, undo_requested_at };
  return totalsOf({ tenant, payment_id: id, ...row });
}

function totalsOf(row: TotalsRow): RefundTotals {
  return {
    tenant: row.tenant,
    paymentUuid: row.payment_id,
    capturedMinor: row.captured,
    promisedMinor: row.promised,
    refundedMinor: row.refunded,
    undoRequestedAt: row.undo_requested_at,
  };
}
