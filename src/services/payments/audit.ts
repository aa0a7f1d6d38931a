/** What the payments table holds, for who proves it against the logs; see the ledger's audit. */
import {
  type Comparison,
  compareLookups,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

const PAYMENTS: Comparison = {
  key: { tenant: 'text', id: 'uuid' },
  columns: {
    wallet_id: 'text',
    service_id: 'text',
    amount: 'bigint',
    currency: 'text',
    method: 'text',
    reference: 'text',
    description: 'text',
    metadata: 'text',
    status: 'text',
    failure_code: 'text',
    failure_detail: 'text',
    correlation_id: 'text',
    created_at: 'instant',
    updated_at: 'instant',
  },
  actual: `select p.wallet_id, p.service_id, p.amount, p.currency, p.method, p.reference, p.description, p.metadata,
                  p.status, p.failure_code, p.failure_detail, p.correlation_id, p.created_at, p.updated_at
           from payments.payments p where p.tenant = expected.tenant and p.id = expected.id`,
};

/** Payments that are missing or other than expected; by primary key. */
export function differingPayments(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, PAYMENTS, expected);
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
