/** What callers read of refunds. No locks; every query by tenant. */
import type { EpochMs } from '#kernel/clock.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Refund, RefundStatus } from './refund.ts';

interface RefundRow {
  tenant: string;
  id: string;
  payment_id: string;
  amount: bigint;
  currency: string;
  reason: string | null;
  status: RefundStatus;
  failure_code: string | null;
  failure_detail: string | null;
  correlation_id: string;
  created_at: EpochMs;
  updated_at: EpochMs;
}

/** Where a page goes on: behind the refund of this uuid. */
interface RefundPlace {
  readonly before: string | undefined;
  readonly limit: number;
}

export class RefundReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** By primary key. */
  async find(tenant: string, uuid: string): Promise<Refund | undefined> {
    const rows = await this.#reader.query<RefundRow>(
      'select * from payments.refunds where tenant = $1 and id = $2',
      [tenant, uuid],
    );
    return rows[0] === undefined ? undefined : refundOf(rows[0]);
  }

  /** As `list`, of all payments. By primary key. */
  async listAll(tenant: string, { before, limit }: RefundPlace): Promise<Refund[]> {
    const rows = await this.#reader.query<RefundRow>(
      `select * from payments.refunds
       where tenant = $1 and id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') order by id desc limit $3`,
      [tenant, before ?? null, limit],
    );
    return rows.map(refundOf);
  }

  /** The same of those that wait for a person. By the index of them. */
  async listInDoubt(tenant: string, { before, limit }: RefundPlace): Promise<Refund[]> {
    const rows = await this.#reader.query<RefundRow>(
      `select * from payments.refunds
       where status = 'reconciliation_required'
         and tenant = $1 and id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') order by id desc limit $3`,
      [tenant, before ?? null, limit],
    );
    return rows.map(refundOf);
  }

  /** Up to `limit` refunds of a payment, older than `before` (a uuid; ids rise with time), newest first. By the index on payments. */
  async list(tenant: string, paymentUuid: string, page: RefundPlace): Promise<Refund[]> {
    const rows = await this.#reader.query<RefundRow>(
      `select * from payments.refunds
       where payment_id = $1 and tenant = $2 and ($3::uuid is null or id < $3) order by id desc limit $4`,
      [paymentUuid, tenant, page.before ?? null, page.limit],
    );
    return rows.map(refundOf);
  }
}

function refundOf(row: RefundRow): Refund {
  return {
    tenant: row.tenant,
    uuid: row.id,
    paymentUuid: row.payment_id,
    amountMinor: row.amount,
    currency: row.currency,
    reason: row.reason,
    status: row.status,
    failure: row.failure_code === null ? null : { code: row.failure_code, detail: row.failure_detail ?? '' },
    correlationId: row.correlation_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
