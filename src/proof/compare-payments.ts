/** What the services keep of a page of payments, compared with what their events say. */
import { type IdPrefix, idOf } from '#kernel/ids.ts';
import type { Difference, Differences, ExpectedRow } from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { differingSagas } from '#services/authorization/contract.ts';
import { differingVerdicts } from '#services/integrity/contract.ts';
import { differingEntryIds, differingHolds } from '#services/ledger/contract.ts';
import { differingPayments, differingReferences, differingRequests } from '#services/payments/contract.ts';
import {
  expectedEntries,
  expectedHold,
  expectedPayment,
  expectedReference,
  expectedSaga,
  expectedVerdict,
} from './expected-rows.ts';
import type { SagaJudgement } from './judge-saga.ts';
import { type IdRange, type PaymentTimeline, type Positions, subjectsOf, uuidsOf } from './payment-pages.ts';

/** What one check found of one page. */
export interface NamedDifferences extends Differences {
  readonly check: 'payments' | 'references' | 'holds' | 'sagas' | 'verdicts' | 'entries';
  readonly looked: number;
  readonly noun: string;
  readonly subjectOf: (difference: Difference) => string;
}

export interface JudgedPayment {
  readonly timeline: PaymentTimeline;
  readonly judgement: SagaJudgement;
}

/** Of a payment whose newest events the group has not passed the status may be before or behind them: not looked at. */
export async function comparePayments(
  reader: Reader,
  payments: readonly JudgedPayment[],
  positions: Positions,
): Promise<NamedDifferences> {
  const isDecided = ({ timeline }: JudgedPayment) => positions.hasPassedAll('payments', timeline.events);
  const expect = ({ timeline }: JudgedPayment) => expectedPayment(timeline);
  const decided = rowsOf(payments.filter(isDecided), expect);
  const undecided = rowsOf(
    payments.filter((payment) => !isDecided(payment)),
    expect,
  );
  const [rows, requests] = await Promise.all([
    differingPayments(reader, decided),
    differingRequests(reader, undecided),
  ]);
  return {
    listed: [...rows.listed, ...requests.listed],
    total: rows.total + requests.total,
    check: 'payments',
    looked: decided.length + undecided.length,
    noun: 'payment',
    subjectOf: idBy('id', 'pay'),
  };
}

/** That a payment which has not ended unpaid holds its reference. What else is held is looked at row by row. */
export async function compareReferences(
  reader: Reader,
  payments: readonly JudgedPayment[],
): Promise<NamedDifferences> {
  const expected = rowsOf(payments, ({ timeline }) => expectedReference(timeline));
  return {
    ...(await differingReferences(reader, expected)),
    check: 'references',
    looked: expected.length,
    noun: 'reference',
    subjectOf: idBy('payment_id', 'pay'),
  };
}

export async function compareHolds(
  reader: Reader,
  range: IdRange,
  payments: readonly JudgedPayment[],
): Promise<NamedDifferences> {
  const expected = rowsOf(payments, ({ timeline }) => expectedHold(timeline));
  const differences = await differingHolds(reader, uuidsOf(range), expected);
  return {
    ...differences,
    check: 'holds',
    looked: expected.length,
    noun: 'hold',
    subjectOf: idBy('id', 'pay'),
  };
}

export async function compareSagas(
  reader: Reader,
  range: IdRange,
  payments: readonly JudgedPayment[],
): Promise<NamedDifferences> {
  const expected = rowsOf(payments, ({ timeline }) => expectedSaga(timeline));
  const differences = await differingSagas(reader, uuidsOf(range), expected);
  return {
    ...differences,
    check: 'sagas',
    looked: expected.length,
    noun: 'saga',
    subjectOf: idBy('payment_id', 'pay'),
  };
}

/** Of payments whose events integrity has read: its verdicts trail by a second or two, and that is no finding. */
export async function compareVerdicts(
  reader: Reader,
  range: IdRange,
  { payments, positions }: { readonly payments: readonly JudgedPayment[]; readonly positions: Positions },
): Promise<NamedDifferences> {
  const decided: JudgedPayment[] = [];
  const undecided: string[] = [];
  for (const payment of payments) {
    if (positions.hasPassedAll('integrity', payment.timeline.events)) decided.push(payment);
    else undecided.push(payment.timeline.subject);
  }
  const expected = rowsOf(decided, ({ timeline, judgement }) => expectedVerdict(timeline, judgement));
  return verdictDifferences(
    await differingVerdicts(reader, subjectsOf(range, 'pay'), { expected, undecided }),
    expected.length,
  );
}

export function verdictDifferences(differences: Differences, looked: number): NamedDifferences {
  const subjectOf = ({ key }: Difference) => key['subject'] ?? '';
  return { ...differences, check: 'verdicts', looked, noun: 'verdict', subjectOf };
}

/** Entries that no event tells of. Those that events tell of are compared with their postings, log by log. */
export async function compareEntries(
  reader: Reader,
  range: IdRange,
  {
    payments,
    manualEntries,
  }: { readonly payments: readonly JudgedPayment[]; readonly manualEntries: readonly string[] },
): Promise<NamedDifferences> {
  const expected = [
    ...payments.flatMap(({ timeline }) => expectedEntries(timeline)),
    ...manualEntries.map((id) => ({ id, purpose: 'manual' })),
  ];
  const { listed, total } = await differingEntryIds(reader, uuidsOf(range), expected);
  const extra = listed.filter(({ kind }) => kind === 'extra');
  const unlisted = total - listed.length;
  return {
    listed: extra,
    total: extra.length + unlisted,
    check: 'entries',
    looked: 0,
    noun: 'entry',
    subjectOf: idBy('id', 'jen'),
  };
}

function rowsOf(
  payments: readonly JudgedPayment[],
  expect: (payment: JudgedPayment) => ExpectedRow | undefined,
): ExpectedRow[] {
  return payments.map(expect).filter((row) => row !== undefined);
}

function idBy(column: string, prefix: IdPrefix): (difference: Difference) => string {
  return ({ key }) => idOf(prefix, key[column] ?? '');
}
