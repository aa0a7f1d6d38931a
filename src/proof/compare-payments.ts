/** What the services keep of a page of payments and refunds, compared with what their events say. */
import { type IdPrefix, idOf } from '#kernel/ids.ts';
import type { Difference, Differences, ExpectedRow } from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import {
  differingCompensations,
  differingRefundSagas,
  differingSagas,
} from '#services/authorization/contract.ts';
import { differingVerdicts } from '#services/integrity/contract.ts';
import { differingAwaited, differingEntryIds, differingHolds } from '#services/ledger/contract.ts';
import {
  differingPayments,
  differingReferences,
  differingRefundRequests,
  differingRefunds,
  differingRequests,
} from '#services/payments/contract.ts';
import {
  expectedAwaited,
  expectedEntries,
  expectedHold,
  expectedPayment,
  expectedReference,
  expectedRefund,
  expectedVerdict,
  kindOf,
} from './expected-rows.ts';
import { expectedCompensation, expectedRefundSaga, expectedSaga } from './expected-sagas.ts';
import type { Positions } from './group-positions.ts';
import { type IdRange, subjectsOf, uuidsOf } from './id-ranges.ts';
import type { SagaJudgement } from './judge-saga.ts';
import type { CheckName } from './report.ts';
import type { SagaTimeline } from './saga-timelines.ts';

/** What one check found of one page. */
export interface NamedDifferences extends Differences {
  readonly check: Exclude<CheckName, 'log' | 'postings' | 'accounts' | 'currencies' | 'idempotency keys'>;
  readonly looked: number;
  readonly noun: string;
  readonly subjectOf: (difference: Difference) => string;
}

/** A payment or a refund. */
export interface JudgedSaga {
  readonly timeline: SagaTimeline;
  readonly judgement: SagaJudgement;
}

/** Of a payment whose newest events the group has not passed the status may be before or behind them: not looked at. */
export async function comparePayments(
  reader: Reader,
  sagas: readonly JudgedSaga[],
  positions: Positions,
): Promise<NamedDifferences> {
  const payments = sagas.filter(({ timeline }) => kindOf(timeline) === 'pay');
  const isDecided = ({ timeline }: JudgedSaga) => positions.hasPassedAll('payments', timeline.events);
  const expect = ({ timeline }: JudgedSaga) => expectedPayment(timeline);
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

/** The same of refunds. */
export async function compareRefunds(
  reader: Reader,
  sagas: readonly JudgedSaga[],
  positions: Positions,
): Promise<NamedDifferences> {
  const isDecided = ({ timeline }: JudgedSaga) => positions.hasPassedAll('payments', timeline.events);
  const expect = ({ timeline }: JudgedSaga) => expectedRefund(timeline);
  const decided = rowsOf(sagas.filter(isDecided), expect);
  const undecided = rowsOf(
    sagas.filter((saga) => !isDecided(saga)),
    expect,
  );
  const [rows, requests] = await Promise.all([
    differingRefunds(reader, decided),
    differingRefundRequests(reader, undecided),
  ]);
  return {
    listed: [...rows.listed, ...requests.listed],
    total: rows.total + requests.total,
    check: 'refunds',
    looked: decided.length + undecided.length,
    noun: 'refund',
    subjectOf: idBy('id', 'ref'),
  };
}

/** That a payment which has not ended unpaid holds its reference. What else is held is looked at row by row. */
export async function compareReferences(
  reader: Reader,
  payments: readonly JudgedSaga[],
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

/** A refund's hold bears the refund's uuid, as a payment's the payment's. */
export async function compareHolds(
  reader: Reader,
  ranges: readonly IdRange[],
  sagas: readonly JudgedSaga[],
): Promise<NamedDifferences> {
  const expected = rowsOf(sagas, ({ timeline }) => expectedHold(timeline));
  const refunds = new Set(
    sagas.filter(({ timeline }) => kindOf(timeline) === 'ref').map(({ timeline }) => timeline.uuid),
  );
  const differences = await differingHolds(reader, ranges.map(uuidsOf), expected);
  return {
    ...differences,
    check: 'holds',
    looked: expected.length,
    noun: 'hold',
    subjectOf: ({ key }) => idOf(refunds.has(key['id'] ?? '') ? 'ref' : 'pay', key['id'] ?? ''),
  };
}

/** That the wallet of a refund which is under way is not closed meanwhile. No statement where there is none. */
export async function compareAwaited(
  reader: Reader,
  sagas: readonly JudgedSaga[],
): Promise<NamedDifferences> {
  const expected = rowsOf(sagas, ({ timeline }) => expectedAwaited(timeline));
  return {
    ...(await differingAwaited(reader, expected)),
    check: 'holds',
    looked: 0,
    noun: 'awaited_refund',
    subjectOf: idBy('id', 'ref'),
  };
}

/** The coordinator's three tables. */
export function compareSagas(
  reader: Reader,
  ranges: readonly IdRange[],
  sagas: readonly JudgedSaga[],
): Promise<NamedDifferences[]> {
  return Promise.all(
    SAGA_TABLES.map(async ({ expect, differing, noun, subjectOf }) => {
      const expected = rowsOf(sagas, ({ timeline }) => expect(timeline));
      const differences = await differing(reader, ranges.map(uuidsOf), expected);
      return { ...differences, check: 'sagas', looked: expected.length, noun, subjectOf };
    }),
  );
}

const SAGA_TABLES = [
  {
    expect: expectedSaga,
    differing: differingSagas,
    noun: 'saga',
    subjectOf: idBy('payment_id', 'pay'),
  },
  {
    expect: expectedRefundSaga,
    differing: differingRefundSagas,
    noun: 'saga',
    subjectOf: idBy('refund_id', 'ref'),
  },
  {
    expect: expectedCompensation,
    differing: differingCompensations,
    noun: 'compensation',
    subjectOf: idBy('payment_id', 'pay'),
  },
] as const;

/** Of sagas whose events integrity has read: its verdicts trail by a second or two, and that is no finding. */
export function compareVerdicts(
  reader: Reader,
  ranges: readonly IdRange[],
  { sagas, positions }: { readonly sagas: readonly JudgedSaga[]; readonly positions: Positions },
): Promise<NamedDifferences[]> {
  return Promise.all(
    (['pay', 'ref'] as const).map(async (kind) => {
      const decided: JudgedSaga[] = [];
      const undecided: string[] = [];
      for (const saga of sagas) {
        if (kindOf(saga.timeline) !== kind) continue;
        if (positions.hasPassedAll('integrity', saga.timeline.events)) decided.push(saga);
        else undecided.push(saga.timeline.subject);
      }
      const expected = rowsOf(decided, ({ timeline, judgement }) => expectedVerdict(timeline, judgement));
      const verdicts = { expected, undecided };
      const differences = await differingVerdicts(
        reader,
        ranges.map((range) => subjectsOf(range, kind)),
        verdicts,
      );
      return verdictDifferences(differences, expected.length);
    }),
  );
}

export function verdictDifferences(differences: Differences, looked: number): NamedDifferences {
  const subjectOf = ({ key }: Difference) => key['subject'] ?? '';
  return { ...differences, check: 'verdicts', looked, noun: 'verdict', subjectOf };
}

/** Entries that no event tells of. Those that events tell of are compared with their postings, log by log. */
export async function compareEntries(
  reader: Reader,
  ranges: readonly IdRange[],
  {
    sagas,
    manualEntries,
  }: { readonly sagas: readonly JudgedSaga[]; readonly manualEntries: readonly string[] },
): Promise<NamedDifferences> {
  const expected = [
    ...sagas.flatMap(({ timeline }) => expectedEntries(timeline)),
    ...manualEntries.map((id) => ({ id, purpose: 'manual' })),
  ];
  const { listed, total } = await differingEntryIds(reader, ranges.map(uuidsOf), expected);
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
  sagas: readonly JudgedSaga[],
  expect: (saga: JudgedSaga) => ExpectedRow | undefined,
): ExpectedRow[] {
  return sagas.map(expect).filter((row) => row !== undefined);
}

function idBy(column: string, prefix: IdPrefix): (difference: Difference) => string {
  return ({ key }) => idOf(prefix, key[column] ?? '');
}
