/**
 * The refunds made anew from the logs, and the totals of their payments from the refunds. After the payments: what was
 * captured is read from their rows.
 *
 * T1: the totals decide how much may still be promised, and intake goes on meanwhile. So they are locked before they
 *     are counted, in the order in which everybody locks them, and counted in a later statement (R2).
 */
import { idOf, isId, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type {
  Correction,
  ModelTransaction,
  ReadModel,
  SubjectsInRange,
  Timeline,
} from '#platform/log/read-model.ts';
import { int8Array, textArray, timestamptzArray, uuidArray } from '#platform/postgres/arrays.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { RefundRequested } from './events.ts';
import { type RefundChange, refundChangeOf } from './refund-status.ts';
import type { RowRef } from './row-ref.ts';

const WRITE = `
  insert into payments.refunds as r
     (tenant, id, payment_id, amount, currency, reason, status, failure_code, failure_detail, status_position,
      correlation_id, created_at, updated_at)
   select * from unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                        $8::text[], $9::text[], $10::bigint[], $11::text[], $12::timestamptz[], $13::timestamptz[])
   on conflict (tenant, id) do update
     set payment_id = excluded.payment_id, amount = excluded.amount, currency = excluded.currency,
         reason = excluded.reason, status = excluded.status, failure_code = excluded.failure_code,
         failure_detail = excluded.failure_detail, status_position = excluded.status_position,
         correlation_id = excluded.correlation_id, created_at = excluded.created_at, updated_at = excluded.updated_at
     where r.* is distinct from excluded.*
   returning 1 as written`;

const LISTED = `(select distinct * from unnest($1::text[], $2::uuid[])) as listed(tenant, payment_id)`;

/** As `paymentKey` sorts: the order in which every process locks totals (R3). */
function lockOrder(row: string): string {
  return `(${row}.tenant || '/' || ${row}.payment_id) collate "C"`;
}

/** A row of the totals for each payment that has refunds, so that there is one to be locked. */
const ENSURE_TOTALS = `
  insert into payments.refund_totals (tenant, payment_id, captured, promised, refunded)
   select listed.tenant, listed.payment_id, p.amount, 0, 0 from ${LISTED}
   join payments.payments p on p.tenant = listed.tenant and p.id = listed.payment_id
   order by ${lockOrder('listed')}
   on conflict do nothing`;

// T1
const LOCK_TOTALS = `
  select t.payment_id from payments.refund_totals t join ${LISTED} using (tenant, payment_id)
   order by ${lockOrder('t')} for no key update of t`;

/**
 * By the index on payments. Never above what was captured, which is as safe: forged refunds that are still to be removed
 * leave nothing to be promised until then.
 */
const COUNTED = `
   ${LISTED}
   join payments.payments p on p.tenant = listed.tenant and p.id = listed.payment_id
   cross join lateral (
     select least(coalesce(sum(r.amount) filter (where r.status not in ('rejected', 'declined', 'failed')), 0), p.amount)::bigint as promised,
            least(coalesce(sum(r.amount) filter (where r.status = 'completed'), 0), p.amount)::bigint as refunded
     from payments.refunds r where r.payment_id = listed.payment_id and r.tenant = listed.tenant
   ) as counted`;

const DIFFERS = `t.tenant = listed.tenant and t.payment_id = listed.payment_id
     and (t.captured, t.promised, t.refunded) is distinct from (p.amount, counted.promised, counted.refunded)`;

const COUNT_TOTALS = `
  update payments.refund_totals t
   set captured = p.amount, promised = counted.promised, refunded = counted.refunded
   from ${COUNTED}
   where ${DIFFERS}
   returning 1 as written`;

/** Totals that are locked, and by which less has been given back, or promised, than they say. */
const FIND_MORE = `
  select 1 as more from payments.refund_totals t, ${COUNTED}
   where ${DIFFERS} and (counted.promised < t.promised or counted.refunded < t.refunded)`;

const LIST_REFUNDS = `
  select r.tenant, r.id, r.payment_id from payments.refunds r
   where (r.tenant, r.id) > ($1::text, $2::uuid) order by r.tenant, r.id limit $3`;

/** As of payments: what a statement before this one saw has its event in this one. By the index on subjects. */
const REMOVE = `
  delete from payments.refunds r
   using unnest($1::text[], $2::uuid[], $3::text[]) as listed(tenant, id, subject)
   where r.tenant = listed.tenant and r.id = listed.id and not exists (
     select from payments.events e
     where e.subject = listed.subject and e.tenant = listed.tenant and e.type = 'refund.requested'
   )
   returning r.tenant, r.payment_id`;

const LIST_TOTALS = `
  select t.tenant, t.payment_id as id from payments.refund_totals t
   where (t.tenant, t.payment_id) > ($1::text, $2::uuid) order by t.tenant, t.payment_id limit $3`;

/** A row as the logs tell it. */
interface TracedRefund {
  readonly requested: LogEvent<RefundRequested>;
  /** Undefined while nothing has been told of it. */
  readonly told: RefundChange | undefined;
}

/** Of subjects `ref_…`. */
export const refundsModel: ReadModel = {
  name: 'refunds',
  group: 'payments',
  topics: ['payments', 'validation', 'authorization'],
  correct: correctRefunds,
};

async function correctRefunds(tx: ModelTransaction, { timelines }: SubjectsInRange): Promise<Correction> {
  const refunds = timelines.map(tracedRefund).filter((refund) => refund !== undefined);
  if (refunds.length === 0) return { written: 0, removed: 0 };
  const tenants = textArray(refunds.map(({ requested }) => requested.tenant));
  const payments = uuidArray(refunds.map(({ requested }) => uuidOf(requested.data.payment_id as PaymentId)));
  const written = await tx.query(WRITE, [
    tenants,
    uuidArray(refunds.map(({ requested }) => uuidOf(requested.subject as RefundId))),
    payments,
    int8Array(refunds.map(({ requested }) => requested.data.amount)),
    textArray(refunds.map(({ requested }) => requested.data.currency)),
    textArray(refunds.map(({ requested }) => requested.data.reason)),
    textArray(refunds.map(({ told }) => told?.status ?? 'pending')),
    textArray(refunds.map(({ told }) => told?.failure?.code ?? null)),
    textArray(refunds.map(({ told }) => told?.failure?.detail ?? null)),
    int8Array(refunds.map(({ told }) => told?.position ?? 0)),
    textArray(refunds.map(({ requested }) => requested.correlationId)),
    timestamptzArray(refunds.map(({ requested }) => requested.occurredAt)),
    timestamptzArray(refunds.map(({ requested, told }) => told?.at ?? requested.occurredAt)),
  ]);
  const counted = await countTotals(tx, [tenants, payments]);
  return { written: written.length + counted, removed: 0 };
}

/** Undefined for events about what was never asked for. */
function tracedRefund({ events }: Timeline): TracedRefund | undefined {
  const requested = events.find(({ type, subject }) => type === 'refund.requested' && isId('ref', subject));
  if (requested === undefined) return undefined;
  return { requested: requested as LogEvent<RefundRequested>, told: refundChangeOf(events) };
}

/**
 * Makes the totals of a payment what its refunds say, unless more could be given back then: a refund's row may be gone.
 * A payment without a row has none. T1
 */
export async function countRefundTotals(
  tx: ModelTransaction,
  { tenant, uuid }: RowRef,
): Promise<'corrected' | 'sound' | 'more'> {
  const payment = [textArray([tenant]), uuidArray([uuid])] as const;
  await tx.query(ENSURE_TOTALS, payment);
  await tx.query(LOCK_TOTALS, payment);
  if ((await tx.query(FIND_MORE, payment)).length > 0) return 'more';
  return (await tx.query(COUNT_TOTALS, payment)).length > 0 ? 'corrected' : 'sound';
}

/** How many rows were not what the refunds say. T1 */
async function countTotals(tx: ModelTransaction, payments: readonly [Buffer, Buffer]): Promise<number> {
  await tx.query(ENSURE_TOTALS, payments);
  await tx.query(LOCK_TOTALS, payments);
  return (await tx.query(COUNT_TOTALS, payments)).length;
}

interface Walked {
  readonly next: RowRef | undefined;
  readonly checked: number;
}

const FIRST = { tenant: '', uuid: '00000000-0000-0000-0000-000000000000' };

/** Removes refunds that no event asked for among the next ones by primary key; `next` is undefined when there are no more. */
export async function removeForgedRefunds(
  tx: ModelTransaction,
  after: RowRef | undefined,
  limit: number,
): Promise<Walked & { readonly removed: number }> {
  const { tenant, uuid } = after ?? FIRST;
  const rows = await tx.query<{ tenant: string; id: string }>(LIST_REFUNDS, [tenant, uuid, limit]);
  const removed = await tx.query<{ tenant: string; payment_id: string }>(REMOVE, [
    textArray(rows.map((row) => row.tenant)),
    uuidArray(rows.map((row) => row.id)),
    textArray(rows.map((row) => idOf('ref', row.id))),
  ]);
  if (removed.length > 0)
    await countTotals(tx, [
      textArray(removed.map((row) => row.tenant)),
      uuidArray(removed.map((row) => row.payment_id)),
    ]);
  return { next: cursorAt(placeBehind(rows, limit)), checked: rows.length, removed: removed.length };
}

/** Makes the totals that there are what the refunds say: the next ones by primary key. After the refunds themselves. */
export async function correctRefundTotals(
  tx: ModelTransaction,
  after: RowRef | undefined,
  limit: number,
): Promise<Walked & { readonly written: number }> {
  const { tenant, uuid } = after ?? FIRST;
  const rows = await tx.query<{ tenant: string; id: string }>(LIST_TOTALS, [tenant, uuid, limit]);
  const written = await countTotals(tx, [
    textArray(rows.map((row) => row.tenant)),
    uuidArray(rows.map((row) => row.id)),
  ]);
  return { next: cursorAt(placeBehind(rows, limit)), checked: rows.length, written };
}

function cursorAt(row: { readonly tenant: string; readonly id: string } | undefined): RowRef | undefined {
  return row === undefined ? undefined : { tenant: row.tenant, uuid: row.id };
}
