/** What callers read of payments: single ones, lists, newest first. No locks; every query by tenant. */
import type { EpochMs } from '#kernel/clock.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Payment, PaymentStatus } from './payment.ts';
import { type PaymentRow, paymentOf } from './store.ts';

export interface PaymentFilter {
  readonly status?: PaymentStatus;
  readonly walletId?: string;
  readonly serviceId?: string;
  readonly reference?: string;
  readonly createdFrom?: EpochMs;
  readonly createdTo?: EpochMs;
}

export class PaymentReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  async find(tenant: string, uuid: string): Promise<Payment | undefined> {
    const rows = await this.#reader.query<PaymentRow>(
      'select * from payments.payments where tenant = $1 and id = $2',
      [tenant, uuid],
    );
    return rows[0] === undefined ? undefined : paymentOf(rows[0]);
  }

  /** Up to `limit` payments older than `before` (a uuid; ids rise with time), newest first. By the primary key or the index of wallet or service. */
  async list(
    tenant: string,
    filter: PaymentFilter,
    page: { readonly before: string | undefined; readonly limit: number },
  ): Promise<Payment[]> {
    const conditions = ['tenant = $1'];
    const values: unknown[] = [tenant];
    const where = (condition: string, value: unknown): void => {
      if (value === undefined) return;
      values.push(value);
      conditions.push(condition.replace('?', `$${values.length}`));
    };
    where('id < ?', page.before);
    where('status = ?', filter.status);
    where('wallet_id = ?', filter.walletId);
    where('service_id = ?', filter.serviceId);
    where('reference = ?', filter.reference);
    where('created_at >= ?', filter.createdFrom === undefined ? undefined : new Date(filter.createdFrom));
    where('created_at <= ?', filter.createdTo === undefined ? undefined : new Date(filter.createdTo));
    values.push(page.limit);
    const rows = await this.#reader.query<PaymentRow>(
      `select * from payments.payments where ${conditions.join(' and ')} order by id desc limit $${values.length}`,
      values,
    );
    return rows.map(paymentOf);
  }
}
