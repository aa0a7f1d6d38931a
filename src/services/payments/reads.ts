/** What callers read of payments: single ones, lists, newest first. No locks; every query by tenant. */
import type { EpochMs } from '#kernel/clock.ts';
import { firstUuidAt, ID_AHEAD_MS } from '#kernel/first-uuid.ts';
import {
  conditionsOver,
  LOOKED_THROUGH_MAX,
  lookThrough,
  type Search,
} from '#platform/postgres/look-through.ts';
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

/**
 * How far an id's time may be behind `created_at`: it is made when the request comes, and that may wait, be tried for 8 s, and be
 * in a process that is paused.
 */
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
   * Up to `limit` payments older than `before` (a uuid; ids rise with time), newest first. By the primary key, the index of
   * reference, wallet or service, or among those that wait for a person; backwards, and no further than their ids' time.
   */
  async list(
    tenant: string,
    filter: PaymentFilter,
    { before, limit }: { readonly before: string | undefined; readonly limit: number },
  ): Promise<PaymentRows> {
    const search = searchFor(tenant, filter, before);
    const bounds = { limit, lookedThroughMax: this.#lookedThroughMax };
    const { found, last } = await lookThrough<PaymentRow>(this.#reader, search, bounds);
    return { payments: found.map(paymentOf), next: last?.id };
  }
}

export interface PaymentRows {
  readonly payments: readonly Payment[];
  /** The payment before which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

/** One index at a time: of a reference the fewest have it, of a wallet's payments there are fewer than of a service's. */
const KEYS = ['reference', 'walletId', 'serviceId'] as const;
/** The index of references is of those `> ''`. */
const IS = {
  reference: `p.reference > '' and p.reference = ?`,
  walletId: 'p.wallet_id = ?',
  serviceId: 'p.service_id = ?',
} as const;

function searchFor(tenant: string, filter: PaymentFilter, before: string | undefined): Search {
  const { status, createdFrom, createdTo } = filter;
  const waiting = status === 'reconciliation_required';
  const values: unknown[] = [];
  const where = conditionsOver(values);
  const at = (instant: EpochMs | undefined) => (instant === undefined ? undefined : new Date(instant));
  const id = waiting ? 'w.payment_id' : 'p.id';
  const key = waiting ? undefined : KEYS.find((each) => filter[each] !== undefined);
  const keys = [
    ...where(waiting ? 'w.tenant = ?' : 'p.tenant = ?', tenant),
    ...where(`${id} < ?`, before),
    ...where(`${id} < ?`, createdTo === undefined ? undefined : firstUuidAt(createdTo + ID_AHEAD_MS)),
    ...where(`${id} >= ?`, createdFrom === undefined ? undefined : firstUuidAt(createdFrom - ID_BEHIND_MS)),
    ...(key === undefined ? [] : where(IS[key], filter[key])),
  ];
  const matches = [
    ...KEYS.filter((each) => each !== key).flatMap((each) => where(IS[each], filter[each])),
    ...where('p.status = ?', status),
    ...where('p.created_at >= ?', at(createdFrom)),
    ...where('p.created_at <= ?', at(createdTo)),
  ];
  const from = waiting ? WAITING : 'payments.payments p';
  return {
    columns: 'p.*, t.refunded',
    from,
    alias: 'p',
    keys,
    matches,
    walked: [id],
    joined: TOTALS,
    values,
  };
}
