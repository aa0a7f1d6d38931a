/** What the tables of refunds hold, for who proves it against the logs; see the ledger's audit. */
import type { EpochMs } from '#kernel/clock.ts';
import { textArray, uuidArray } from '#platform/postgres/arrays.ts';
import {
  type Comparison,
  compareLookups,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { comparisonWith, listRefs, STATUS_COLUMNS } from './audited-rows.ts';
import type { RowRef } from './row-ref.ts';

/** What its request settles once and for all. */
const REQUEST_COLUMNS = {
  payment_id: 'uuid',
  amount: 'bigint',
  currency: 'text',
  reason: 'text',
  correlation_id: 'text',
  created_at: 'instant',
} as const;

const REQUESTS = comparisonWith('refunds', REQUEST_COLUMNS);
const REFUNDS = comparisonWith('refunds', { ...REQUEST_COLUMNS, ...STATUS_COLUMNS });

/** Refunds that are missing or other than expected; by primary key. */
export function differingRefunds(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, REFUNDS, expected);
}

/** The same for refunds whose status may be ahead of what is expected, or not: it is not looked at. */
export function differingRefundRequests(
  reader: Reader,
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareLookups(reader, REQUESTS, expected);
}

const TOTALS: Comparison = {
  key: { tenant: 'text', payment_id: 'uuid' },
  columns: { captured: 'bigint', promised: 'bigint', refunded: 'bigint' },
  actual: `
    select t.captured, t.promised, t.refunded from payments.refund_totals t
    where t.tenant = expected.tenant and t.payment_id = expected.payment_id`,
};

/**
 * Totals of payments that are missing or other than expected; by primary key. `captured` is the payment's amount,
 * `promised` the sum of its refunds but those rejected, declined or failed, `refunded` of those completed.
 */
export function differingRefundTotals(
  reader: Reader,
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareLookups(reader, TOTALS, expected);
}

/** Ids of refunds by primary key, after the cursor: what the table says exists. */
export function listRefundIds(reader: Reader, after: RowRef | undefined, limit: number): Promise<RowRef[]> {
  return listRefs(reader, { table: 'refunds', id: 'id' }, after, limit);
}

/** `uuid`: the payment's. */
export interface ListedRefundTotals extends RowRef {
  readonly capturedMinor: bigint;
  readonly promisedMinor: bigint;
  readonly refundedMinor: bigint;
  /** Whether a person wants the payment undone as a whole. */
  readonly isToBeUndone: boolean;
}

/** Totals by primary key, after the cursor. A row of zeros is of a payment without refunds, whose charge was denied. */
export async function listRefundTotals(
  reader: Reader,
  after: RowRef | undefined,
  limit: number,
): Promise<ListedRefundTotals[]> {
  const rows = await reader.query<{
    tenant: string;
    payment_id: string;
    captured: bigint;
    promised: bigint;
    refunded: bigint;
    is_to_be_undone: boolean;
  }>(
    `select t.tenant, t.payment_id, t.captured, t.promised, t.refunded,
            t.undo_requested_at is not null as is_to_be_undone
     from payments.refund_totals t
     where $1::text is null or (t.tenant, t.payment_id) > ($1::text, $2::uuid)
     order by t.tenant, t.payment_id limit $3`,
    [after?.tenant ?? null, after?.uuid ?? null, limit],
  );
  return rows.map((row) => ({
    tenant: row.tenant,
    uuid: row.payment_id,
    capturedMinor: row.captured,
    promisedMinor: row.promised,
    refundedMinor: row.refunded,
    isToBeUndone: row.is_to_be_undone,
  }));
}

/** `uuid`: of a payment that a person wants undone as a whole, since when. */
export interface UndoRequest extends RowRef {
  readonly undoRequestedAt: EpochMs;
}

/** Of these payments; by primary key. */
export async function undoRequestsOf(reader: Reader, payments: readonly RowRef[]): Promise<UndoRequest[]> {
  const rows = await reader.query<{ tenant: string; payment_id: string; undo_requested_at: EpochMs }>(
    `select t.tenant, t.payment_id, t.undo_requested_at
     from unnest($1::text[], $2::uuid[]) as wanted(tenant, id)
     cross join lateral (
       select * from payments.refund_totals t where t.tenant = wanted.tenant and t.payment_id = wanted.id offset 0
     ) t
     where t.undo_requested_at is not null`,
    [textArray(payments.map(({ tenant }) => tenant)), uuidArray(payments.map(({ uuid }) => uuid))],
  );
  return rows.map((row) => ({
    tenant: row.tenant,
    uuid: row.payment_id,
    undoRequestedAt: row.undo_requested_at,
  }));
}

/** What the rows of refunds add up to, of the payments that have any; by the index on payments. */
export async function sumRefunds(
  reader: Reader,
  payments: readonly RowRef[],
): Promise<Omit<ListedRefundTotals, 'capturedMinor' | 'isToBeUndone'>[]> {
  const rows = await reader.query<{ tenant: string; id: string; promised: bigint; refunded: bigint }>(
    `select listed.tenant, listed.id, summed.promised, summed.refunded
     from unnest($1::text[], $2::uuid[]) as listed(tenant, id)
     cross join lateral (
       select coalesce(sum(r.amount) filter (where r.status not in ('rejected', 'declined', 'failed')), 0)::bigint as promised,
              coalesce(sum(r.amount) filter (where r.status = 'completed'), 0)::bigint as refunded,
              count(*) as refunds
       from payments.refunds r where r.payment_id = listed.id and r.tenant = listed.tenant
     ) as summed
     where summed.refunds > 0`,
    [textArray(payments.map(({ tenant }) => tenant)), uuidArray(payments.map(({ uuid }) => uuid))],
  );
  return rows.map(({ tenant, id, promised, refunded }) => ({
    tenant,
    uuid: id,
    promisedMinor: promised,
    refundedMinor: refunded,
  }));
}

/** Payments that wait for a person, by primary key, after the cursor: those with status `reconciliation_required`, no others. */
export function listReconciliations(
  reader: Reader,
  after: RowRef | undefined,
  limit: number,
): Promise<RowRef[]> {
  return listRefs(reader, { table: 'reconciliations', id: 'payment_id' }, after, limit);
}
