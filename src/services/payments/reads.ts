/** What callers read of payments: single ones, lists, newest first. No locks; every query by tenant. */
import type { EpochMs } from '#kernel/clock.ts';
import { firstUuidAt } from '#kernel/first-uuid.ts';
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

/** So many payments are looked through for a page of those that match: some 60 ms. What is left is the next page's. */
const LOOKED_THROUGH_MAX = 100_000;
/** How far an id's time may be ahead of `created_at`: ids go on in order for up to 10 s if the clock is set back. */
const ID_AHEAD_MS = 10_000;
/** How far behind: it is made when the request comes, and that may wait, be tried for 8 s, and be in a process that is paused. */
const ID_BEHIND_MS = 300_000;

export class PaymentReads {
  readonly #reader: Reader;
  readonly #lookedThroughMax: number;

  constructor(reader: Reader, lookedThroughMax = LOOKED_THROUGH_MAX) {
    this.#reader = reader;
    this.#lookedThroughMax = lookedThroughMax;
  }

  async find(tenant: string, uuid: string): Promise<Payment | undefined> {
    const rows = await this.#reader.query<PaymentRow>(
      `select p.*, t.refunded from payments.payments p ${TOTALS} where p.tenant = $1 and p.id = $2`,
      [tenant, uuid],
    );
    return rows[0] === undefined ? undefined : paymentOf(rows[0]);
  }

  /**
   * Up to `limit` payments older than `before` (a uuid; ids rise with time), newest first. Of at most so many that the index
   * gives, those that are asked for, and the last one whatever it is: so a page costs the same however few match, and the place
   * where it stopped is known. By the primary key, the index of reference, wallet or service, or among those that wait for a
   * person; backwards, and no further than their ids' time.
   */
  async list(
    tenant: string,
    filter: PaymentFilter,
    page: { readonly before: string | undefined; readonly limit: number },
  ): Promise<PaymentRows> {
    const { from, id, keys, matches, values } = conditionsOf(tenant, filter, page.before);
    const looked = `$${values.push(this.#lookedThroughMax)}::bigint`;
    const rows = await this.#reader.query<ListedRow>(
      `select p.*, t.refunded, p.number = ${looked} as is_last
       from (
         select p.*, row_number() over () as number, ${matches.join(' and ')} as matches
         from (select p.* from ${from} where ${keys.join(' and ')} order by ${id} desc limit ${looked}) p
         order by p.id desc -- as it stands already; said, so that the page ends the scan instead of being sorted out of it
       ) p ${TOTALS}
       where p.matches or p.number = ${looked}
       order by p.id desc
       limit $${values.push(page.limit + 1)}`,
      values,
    );
    return pageOf(rows, page.limit);
  }
}

export interface PaymentRows {
  readonly payments: readonly Payment[];
  /** The payment before which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

interface ListedRow extends PaymentRow {
  matches: boolean;
  is_last: boolean;
}

/** What an index finds, and what each of those is compared with. */
interface Conditions {
  readonly from: string;
  /** The column that the list is ordered by. */
  readonly id: string;
  readonly keys: readonly string[];
  readonly matches: readonly string[];
  readonly values: unknown[];
}

/** One index at a time: of a reference the fewest have it, of a wallet's payments there are fewer than of a service's. */
const KEYS = ['reference', 'walletId', 'serviceId'] as const;
/** The index of references is of those `> ''`. */
const COLUMNS = {
  reference: `p.reference > '' and p.reference`,
  walletId: 'p.wallet_id',
  serviceId: 'p.service_id',
} as const;

function conditionsOf(tenant: string, filter: PaymentFilter, before: string | undefined): Conditions {
  const { status, createdFrom, createdTo } = filter;
  const waiting = status === 'reconciliation_required';
  const values: unknown[] = [];
  const is = (condition: string, value: unknown): string[] =>
    value === undefined ? [] : [`${condition} $${values.push(value)}`];
  const at = (instant: EpochMs | undefined) => (instant === undefined ? undefined : new Date(instant));
  const id = waiting ? 'w.payment_id' : 'p.id';
  const key = waiting ? undefined : KEYS.find((each) => filter[each] !== undefined);
  const keys = [
    ...is(waiting ? 'w.tenant =' : 'p.tenant =', tenant),
    ...is(`${id} <`, before),
    ...is(`${id} <`, createdTo === undefined ? undefined : firstUuidAt(createdTo + ID_AHEAD_MS)),
    ...is(`${id} >=`, createdFrom === undefined ? undefined : firstUuidAt(createdFrom - ID_BEHIND_MS)),
    ...(key === undefined ? [] : is(`${COLUMNS[key]} =`, filter[key])),
  ];
  const matches = [
    'true',
    ...KEYS.filter((each) => each !== key).flatMap((each) => is(`${COLUMNS[each]} =`, filter[each])),
    ...is('p.status =', status),
    ...is('p.created_at >=', at(createdFrom)),
    ...is('p.created_at <=', at(createdTo)),
  ];
  return { from: waiting ? WAITING : 'payments.payments p', id, keys, matches, values };
}

function pageOf(rows: readonly ListedRow[], limit: number): PaymentRows {
  const found = rows.filter(({ matches }) => matches);
  const last = found.length > limit ? found[limit - 1] : rows.findLast(({ is_last }) => is_last);
  return { payments: found.slice(0, limit).map(paymentOf), next: last?.id };
}
