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

/** What was given back of a payment `p`, if anything was. By primary key. */
const TOTALS = `left join lateral (
  select refunded from payments.refund_totals t where t.tenant = p.tenant and t.payment_id = p.id offset 0
) t on true`;

/** Few among millions: they have a table of their own, by whose primary key they are walked. */
const WAITING = `payments.reconciliations w cross join lateral (
  select * from payments.payments p where p.tenant = w.tenant and p.id = w.payment_id offset 0
) p`;

export class PaymentReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  async find(tenant: string, uuid: string): Promise<Payment | undefined> {
    const rows = await this.#reader.query<PaymentRow>(
      `select p.*, t.refunded from payments.payments p ${TOTALS} where p.tenant = $1 and p.id = $2`,
      [tenant, uuid],
    );
    return rows[0] === undefined ? undefined : paymentOf(rows[0]);
  }

  /**
   * Up to `limit` payments older than `before` (a uuid; ids rise with time), newest first. By the primary key, the index
   * of wallet or service, or among those that wait for a person.
   */
  async list(
    tenant: string,
    filter: PaymentFilter,
    page: { readonly before: string | undefined; readonly limit: number },
  ): Promise<Payment[]> {
    const waiting = filter.status === 'reconciliation_required';
    const conditions = [waiting ? 'w.tenant = $1' : 'p.tenant = $1'];
    const values: unknown[] = [tenant];
    const where = (condition: string, value: unknown): void => {
      if (value === undefined) return;
      values.push(value);
      conditions.push(condition.replace('?', `$${values.length}`));
    };
    where(waiting ? 'w.payment_id < ?' : 'p.id < ?', page.before);
    where('p.status = ?', filter.status);
    where('p.wallet_id = ?', filter.walletId);
    where('p.service_id = ?', filter.serviceId);
    where('p.reference = ?', filter.reference);
    where('p.created_at >= ?', filter.createdFrom === undefined ? undefined : new Date(filter.createdFrom));
    where('p.created_at <= ?', filter.createdTo === undefined ? undefined : new Date(filter.createdTo));
    values.push(page.limit);
    const rows = await this.#reader.query<PaymentRow>(
      `select p.*, t.refunded from ${waiting ? WAITING : 'payments.payments p'} ${TOTALS}
       where ${conditions.join(' and ')} order by ${waiting ? 'w.payment_id' : 'p.id'} desc limit $${values.length}`,
      values,
    );
    return rows.map(paymentOf);
  }
}
