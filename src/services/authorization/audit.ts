/** What the coordinator's tables hold, for who proves it against the logs; see the ledger's audit. */
import {
  compareRanges,
  type Differences,
  type ExpectedRow,
  type RangeComparison,
} from '#platform/postgres/differences.ts';
import { type Range, type RangedRows, rowsInRanges } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { RETRY_PAUSES_MS } from './compensation.ts';

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
  select: 'select c.payment_id, c.code, c.detail, c.steps from "authorization".compensations c',
  by: 'c.payment_id',
  kind: 'uuid',
};

const COMPENSATIONS: RangeComparison = {
  key: { payment_id: 'uuid' },
  columns: { code: 'text', detail: 'text', steps: 'text' },
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

/** What is to be asked for again of a payment that is being undone. */
export interface AuditedRetry {
  readonly paymentUuid: string;
  readonly failures: number;
  /** Whether it has a time, and that is not later than any that is ever set. */
  readonly retry: 'none' | 'set' | 'too_late';
  /** The event as it will be appended, JSON. */
  readonly ask: string | null;
}

/** Twice the longest pause, for clocks that differ. */
const RETRY_MAX_MS = 2 * Math.max(...RETRY_PAUSES_MS);

const RETRIES: RangedRows = {
  select: `select c.payment_id as "paymentUuid", c.failures, c.ask,
                  case when c.retry_at is null then 'none'
                       when c.retry_at > now() + make_interval(secs => ${RETRY_MAX_MS / 1000}) then 'too_late'
                       else 'set' end as retry
           from "authorization".compensations c`,
  by: 'c.payment_id',
  kind: 'uuid',
};

/** Of the ranges of payments, each that has a row. */
export function listRetries(reader: Reader, ranges: readonly Range[]): Promise<AuditedRetry[]> {
  const { text, parameters } = rowsInRanges(RETRIES, ranges);
  return reader.query<AuditedRetry>(text, parameters);
}
