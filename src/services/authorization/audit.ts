/** What the coordinator's tables hold, for who proves it against the logs; see the ledger's audit. */
import {
  type Comparison,
  compareRange,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

const SAGAS: Comparison = {
  key: { payment_id: 'uuid' },
  columns: {
    state: 'text',
    wallet_id: 'text',
    service_id: 'text',
    amount: 'bigint',
    currency: 'text',
    method: 'text',
  },
  actual: `select s.payment_id, s.state, s.wallet_id, s.service_id, s.amount, s.currency, s.method
           from "authorization".sagas s
           where ($1::uuid is null or s.payment_id > $1) and ($2::uuid is null or s.payment_id <= $2)`,
};

/** Sagas of the range of payments (after the first, up to the second) that are missing, extra or different. */
export function differingSagas(
  reader: Reader,
  range: { readonly after: string | null; readonly upTo: string | null },
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareRange(reader, SAGAS, { parameters: [range.after, range.upTo], expected });
}

const REFUND_SAGAS: Comparison = {
  key: { refund_id: 'uuid' },
  columns: { payment_id: 'uuid', ...SAGAS.columns },
  actual: `select s.refund_id, s.payment_id, s.state, s.wallet_id, s.service_id, s.amount, s.currency, s.method
           from "authorization".refund_sagas s
           where ($1::uuid is null or s.refund_id > $1) and ($2::uuid is null or s.refund_id <= $2)`,
};

/** The same of the sagas of refunds. */
export function differingRefundSagas(
  reader: Reader,
  range: { readonly after: string | null; readonly upTo: string | null },
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareRange(reader, REFUND_SAGAS, { parameters: [range.after, range.upTo], expected });
}

const COMPENSATIONS: Comparison = {
  key: { payment_id: 'uuid' },
  columns: { code: 'text' },
  actual: `select c.payment_id, c.code from "authorization".compensations c
           where ($1::uuid is null or c.payment_id > $1) and ($2::uuid is null or c.payment_id <= $2)`,
};

/** The same of what is still to be undone, and why. */
export function differingCompensations(
  reader: Reader,
  range: { readonly after: string | null; readonly upTo: string | null },
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareRange(reader, COMPENSATIONS, { parameters: [range.after, range.upTo], expected });
}
