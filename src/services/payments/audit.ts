/** What the payments table holds, for who proves it against the logs; see the ledger's audit. */
import {
  type Comparison,
  compareLookups,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

/** What its request settles once and for all. */
const REQUEST_COLUMNS = {
  wallet_id: 'text',
  service_id: 'text',
  amount: 'bigint',
  currency: 'text',
  method: 'text',
  reference: 'text',
  description: 'text',
  metadata: 'text',
  correlation_id: 'text',
  created_at: 'instant',
} as const;

/** What its later events change. */
const STATUS_COLUMNS = {
  status: 'text',
  failure_code: 'text',
  failure_detail: 'text',
  updated_at: 'instant',
} as const;

const REQUESTS = comparisonOf(REQUEST_COLUMNS);
const PAYMENTS = comparisonOf({ ...REQUEST_COLUMNS, ...STATUS_COLUMNS });

function comparisonOf(columns: Comparison['columns']): Comparison {
  const selected = Object.keys(columns).map((column) => `p.${column}`);
  return {
    key: { tenant: 'text', id: 'uuid' },
    columns,
    actual: `select ${selected.join(', ')} from payments.payments p where p.tenant = expected.tenant and p.id = expected.id`,
  };
}

/** Payments that are missing or other than expected; by primary key. */
export function differingPayments(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, PAYMENTS, expected);
}

/** The same for payments whose status may be ahead of what is expected, or not: it is not looked at. */
export function differingRequests(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, REQUESTS, expected);
}

export interface PaymentCursor {
  readonly tenant: string;
  readonly uuid: string;
}

/** Ids by primary key, after the cursor: what the table says exists. */
export async function listPaymentIds(
  reader: Reader,
  after: PaymentCursor | undefined,
  limit: number,
): Promise<PaymentCursor[]> {
  const rows = await reader.query<{ tenant: string; id: string }>(
    `select p.tenant, p.id from payments.payments p
     where $1::text is null or (p.tenant, p.id) > ($1::text, $2::uuid)
     order by p.tenant, p.id limit $3`,
    [after?.tenant ?? null, after?.uuid ?? null, limit],
  );
  return rows.map(({ tenant, id }) => ({ tenant, uuid: id }));
}

/** Keys and references decide, and are sourced from no log: only counted. A range of the keys' digests. */
export async function countPaymentKeys(
  reader: Reader,
  range: { readonly after: string | null; readonly upTo: string | null },
): Promise<number> {
  const [row] = await reader.query<{ count: number }>(
    `select count(*)::float8 as count from payments.idempotency_keys
     where ($1::uuid is null or digest > $1) and ($2::uuid is null or digest <= $2)`,
    [range.after, range.upTo],
  );
  return row?.count ?? 0;
}
