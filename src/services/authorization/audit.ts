/** What the coordinator's tables hold, for who proves it against the logs; see the ledger's audit. */
import {
  compareRanges,
  type Differences,
  type ExpectedRow,
  type RangeComparison,
} from '#platform/postgres/differences.ts';
import type { Range, RangedRows } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

const TERM_COLUMNS = {
  definition: 'text',
  state: 'text',
  wallet_id: 'text',
  service_id: 'text',
  amount: 'bigint',
  currency: 'text',
  method: 'text',
} as const;

/** By primary key, as all of them are. */
export const AUDITED_SAGAS: RangedRows = {
  select: `select s.payment_id, s.definition, s.state, s.wallet_id, s.service_id, s.amount, s.currency, s.method
           from "authorization".sagas s`,
  by: 's.payment_id',
  kind: 'uuid',
};

const SAGAS: RangeComparison = { key: { payment_id: 'uuid' }, columns: TERM_COLUMNS, rows: AUDITED_SAGAS };

/** Sagas of the ranges of payments that are missing, extra or different. */
export function differingSagas(
  reader: Reader,
  ranges: readonly Range[],
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareRanges(reader, SAGAS, { ranges, expected });
}

export const AUDITED_REFUND_SAGAS: RangedRows = {
  select: `select s.refund_id, s.payment_id, s.definition, s.state, s.wallet_id, s.service_id, s.amount, s.currency, s.method
           from "authorization".refund_sagas s`,
  by: 's.refund_id',
  kind: 'uuid',
};

const REFUND_SAGAS: RangeComparison = {
  key: { refund_id: 'uuid' },
  columns: { payment_id: 'uuid', ...TERM_COLUMNS },
  rows: AUDITED_REFUND_SAGAS,
};

/** The same of the sagas of refunds. */
export function differingRefundSagas(
  reader: Reader,
  ranges: readonly Range[],
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareRanges(reader, REFUND_SAGAS, { ranges, expected });
}

export const AUDITED_COMPENSATIONS: RangedRows = {
  select: 'select c.payment_id, c.code from "authorization".compensations c',
  by: 'c.payment_id',
  kind: 'uuid',
};

const COMPENSATIONS: RangeComparison = {
  key: { payment_id: 'uuid' },
  columns: { code: 'text' },
  rows: AUDITED_COMPENSATIONS,
};

/** The same of what is still to be undone, and why. */
export function differingCompensations(
  reader: Reader,
  ranges: readonly Range[],
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareRanges(reader, COMPENSATIONS, { ranges, expected });
}
