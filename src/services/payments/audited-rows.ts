/** What the audits of payments and of refunds do alike. */
import type { Comparison } from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { RowRef } from './row-ref.ts';

/** What later events change of a payment or a refund. */
export const STATUS_COLUMNS = {
  status: 'text',
  failure_code: 'text',
  failure_detail: 'text',
  updated_at: 'instant',
  status_position: 'bigint',
} as const;

/** By primary key. */
export function comparisonWith(table: 'payments' | 'refunds', columns: Comparison['columns']): Comparison {
  const selected = Object.keys(columns).map((column) => `r.${column}`);
  return {
    key: { tenant: 'text', id: 'uuid' },
    columns,
    actual: `select ${selected.join(', ')} from payments.${table} r where r.tenant = expected.tenant and r.id = expected.id`,
  };
}

/** What the table says exists, by primary key, after the cursor. */
export async function listRefs(
  reader: Reader,
  {
    table,
    id,
  }: { readonly table: 'payments' | 'refunds' | 'reconciliations'; readonly id: 'id' | 'payment_id' },
  after: RowRef | undefined,
  limit: number,
): Promise<RowRef[]> {
  return reader.query<RowRef>(
    `select r.tenant, r.${id} as uuid from payments.${table} r
     where $1::text is null or (r.tenant, r.${id}) > ($1::text, $2::uuid)
     order by r.tenant, r.${id} limit $3`,
    [after?.tenant ?? null, after?.uuid ?? null, limit],
  );
}
