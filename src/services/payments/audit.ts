/** What the payments table holds, for who proves it against the logs; see the ledger's audit. */
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

const PAYMENT_COLUMNS = { ...REQUEST_COLUMNS, ...STATUS_COLUMNS } as const;

const REQUESTS = comparisonWith('payments', REQUEST_COLUMNS);
const PAYMENTS = comparisonWith('payments', PAYMENT_COLUMNS);

/** As SQL without a condition, to be looked up by tenant and id; the table is `r`. */
export const AUDITED_PAYMENTS = `select ${Object.keys(PAYMENT_COLUMNS)
  .map((column) => `r.${column}`)
  .join(', ')} from payments.payments r`;

/** The same of references, by tenant, wallet, service and reference; the table is `r`. */
export const AUDITED_REFERENCES = 'select r.payment_id as holder from payments.payment_references r';

/** Payments that are missing or other than expected; by primary key. */
export function differingPayments(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, PAYMENTS, expected);
}

/** The same for payments whose status may be ahead of what is expected, or not: it is not looked at. */
export function differingRequests(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(reader, REQUESTS, expected);
}

/** The key names the payment too: a finding is about it. */
const REFERENCES: Comparison = {
  key: { tenant: 'text', wallet_id: 'text', service_id: 'text', reference: 'text', payment_id: 'uuid' },
  columns: { holder: 'uuid' },
  actual: `
    ${AUDITED_REFERENCES}
    where r.tenant = expected.tenant and r.wallet_id = expected.wallet_id and r.service_id = expected.service_id
      and r.reference = expected.reference`,
};

/** References that nobody holds, or another payment (U2); by primary key. */
export function differingReferences(reader: Reader, expected: readonly ExpectedRow[]): Promise<Differences> {
  return compareLookups(
    reader,
    REFERENCES,
    expected.map((row) => ({ ...row, holder: row['payment_id'] ?? null })),
  );
}

/** A reference and the payment that holds it. */
export interface HeldReference {
  readonly tenant: string;
  readonly walletId: string;
  readonly serviceId: string;
  readonly reference: string;
  readonly paymentUuid: string;
}

/** By primary key, after the one given. */
export async function listReferences(
  reader: Reader,
  after: HeldReference | undefined,
  limit: number,
): Promise<HeldReference[]> {
  const rows = await reader.query<{
    tenant: string;
    wallet_id: string;
    service_id: string;
    reference: string;
    payment_id: string;
  }>(
    `select r.tenant, r.wallet_id, r.service_id, r.reference, r.payment_id from payments.payment_references r
     where $1::text is null
        or (r.tenant, r.wallet_id, r.service_id, r.reference) > ($1::text, $2::text, $3::text, $4::text)
     order by r.tenant, r.wallet_id, r.service_id, r.reference limit $5`,
    [
      after?.tenant ?? null,
      after?.walletId ?? null,
      after?.serviceId ?? null,
      after?.reference ?? null,
      limit,
    ],
  );
  return rows.map((row) => ({
    tenant: row.tenant,
    walletId: row.wallet_id,
    serviceId: row.service_id,
    reference: row.reference,
    paymentUuid: row.payment_id,
  }));
}

/** Ids by primary key, after the cursor: what the table says exists. */
export function listPaymentIds(reader: Reader, after: RowRef | undefined, limit: number): Promise<RowRef[]> {
  return listRefs(reader, { table: 'payments', id: 'id' }, after, limit);
}

/** Rows passed by a walk that counts them. */
export interface CountedRows {
  /** Of ids up to the one given. */
  readonly counted: number;
  /** The others. */
  readonly beyond: readonly RowRef[];
  /** Undefined at the end. */
  readonly last: RowRef | undefined;
}

/** The next rows of the table by primary key: those with ids up to `upTo` are only counted. */
export async function countPaymentRows(
  reader: Reader,
  after: RowRef | undefined,
  { upTo, limit }: { readonly upTo: string; readonly limit: number },
): Promise<CountedRows> {
  const rows = await reader.query<RowRef & { counted: number; is_last: boolean }>(
    `with page as materialized (
       select r.tenant, r.id from payments.payments r
       where $1::text is null or (r.tenant, r.id) > ($1::text, $2::uuid)
       order by r.tenant, r.id limit $3
     )
     select tenant, id as uuid, 0 as counted, false as is_last from page where id > $4
     union all
     select last.tenant, last.id, (select count(*) from page where id <= $4)::integer, true
     from (select * from page order by tenant desc, id desc limit 1) last`,
    [after?.tenant ?? null, after?.uuid ?? null, limit, upTo],
  );
  const last = rows.find(({ is_last }) => is_last);
  return { counted: last?.counted ?? 0, beyond: rows.filter(({ is_last }) => !is_last), last };
}
