/**
 * A page of payments and refunds as it is judged: their sagas, and all that the tables have of them. P1 and P2 are those of
 * verify-payments.ts.
 */
import { isId, uuidOf } from '#kernel/ids.ts';
import { type RangedRows, rowsInRanges } from '#platform/postgres/ranges.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type AuditedRetry, listRetries } from '#services/authorization/contract.ts';
import { listAuditedNotifications } from '#services/notification/contract.ts';
import { type AuditedAttempt, listAttempts } from '#services/providers/contract.ts';
import { AbandonedEvents } from './abandoned-events.ts';
import { type Ask, openAsksOf } from './asked-attempts.ts';
import {
  compareAwaited,
  compareEntries,
  compareHolds,
  comparePayments,
  compareReferences,
  compareRefunds,
  compareSagas,
  compareVerdicts,
  type JudgedSaga,
  type NamedDifferences,
} from './compare-payments.ts';
import { readEditedData } from './edited-data.ts';
import { expectedNotifications } from './expected-rows.ts';
import { Positions } from './group-positions.ts';
import { type IdRange, SAGA_PREFIXES, subjectsOf, uuidsOf } from './id-ranges.ts';
import { type ComparedNotifications, compareNotifications, type EditedData } from './judge-notifications.ts';
import { judgeSaga, type OwedAnswer } from './judge-saga.ts';
import { sagaMapFor } from './saga-map.ts';
import { readTimelines } from './saga-timelines.ts';

/** A page of payments and refunds as read: events, and what of the tables differs from them. */
export interface Page {
  readonly positions: Positions;
  readonly abandoned: AbandonedEvents;
  readonly sagas: readonly JudgedSaga[];
  readonly differences: readonly NamedDifferences[];
  readonly notifications: ComparedNotifications;
  readonly edited: EditedData;
  readonly attempts: readonly AuditedAttempt[];
  readonly retries: readonly AuditedRetry[];
  /** How many payments were compared with their rows. */
  readonly withRow: number;
}

/** P1: `reader` reads one snapshot. */
export async function readPage(reader: Reader, ranges: readonly IdRange[]): Promise<Page> {
  const [positions, timelines, manualEntries] = await Promise.all([
    Positions.read(reader),
    readTimelines(reader, ranges),
    readManualEntries(reader, ranges),
  ]);
  const sagas = timelines.map((timeline) => ({
    timeline,
    judgement: judgeSaga(sagaMapFor(timeline.subject, timeline.events), timeline.events),
  }));
  const missing = sagas.flatMap(({ judgement }) =>
    judgement.owed.filter((answer) => isMissing(answer, positions)),
  );
  const asks = sagas
    .flatMap(({ timeline }) => openAsksOf(timeline))
    .filter((ask) => isPassed(ask, positions));
  const [abandoned, told, attempts, retries, verdicts, coordinated, payments, ...differences] =
    await Promise.all([
      AbandonedEvents.read(reader, [...missing, ...asks]),
      listOfBoth(ranges, (subjects) => listAuditedNotifications(reader, subjects)),
      listOfBoth(ranges, (subjects) => listAttempts(reader, subjects)),
      listRetries(reader, ranges.map(uuidsOf)),
      compareVerdicts(reader, ranges, { sagas, positions }),
      compareSagas(reader, ranges, sagas),
      comparePayments(reader, sagas, positions),
      compareRefunds(reader, sagas, positions),
      compareReferences(reader, sagas),
      compareHolds(reader, ranges, sagas),
      compareAwaited(reader, sagas),
      compareEntries(reader, ranges, { sagas, manualEntries }),
    ]);
  const expected = sagas.flatMap(({ timeline }) => expectedNotifications(timeline));
  const notifications = compareNotifications(expected, told);
  const unlike = notifications.different.flatMap((each) => each.expected.ending ?? []);
  return {
    positions,
    abandoned,
    sagas,
    withRow: payments.looked,
    differences: [payments, ...differences, ...coordinated, ...verdicts],
    notifications,
    edited: await readEditedData(reader, 'notification', unlike),
    attempts,
    retries,
  };
}

/** What is about the payments and the refunds of the ranges. */
async function listOfBoth<Row>(
  ranges: readonly IdRange[],
  list: (subjects: readonly IdRange[]) => Promise<Row[]>,
): Promise<Row[]> {
  const listed = await Promise.all(
    SAGA_PREFIXES.map((kind) => list(ranges.map((range) => subjectsOf(range, kind)))),
  );
  return listed.flat();
}

/** P2. A counter-entry that was refused is asked for again after a pause: nothing is missing meanwhile. */
export function isMissing({ event, stages }: OwedAnswer, positions: Positions): boolean {
  if (event.type === 'posting.refused' && event.data?.['purpose'] === 'reversal') return false;
  return isPassed({ event, stages }, positions);
}

/** P2. By every group that may answer. */
export function isPassed({ event, stages }: OwedAnswer | Ask, positions: Positions): boolean {
  return stages.every(({ service }) => positions.hasPassed(service, event));
}

export function isParked({ event, stages }: OwedAnswer, positions: Positions): boolean {
  return stages.some(({ service }) => positions.isWaiting(service, event));
}

const MANUAL_ENTRIES: RangedRows = {
  select: 'select e.subject from ledger.events e',
  by: 'e.subject',
  kind: 'text',
  only: "e.type = 'entry.posted'",
};

/** Uuids of the manual entries that the log has in the ranges. */
async function readManualEntries(reader: Reader, ranges: readonly IdRange[]): Promise<string[]> {
  const subjects = ranges.map((range) => subjectsOf(range, 'jen'));
  const { text, parameters } = rowsInRanges(MANUAL_ENTRIES, subjects);
  const rows = await reader.query<{ subject: string }>(text, parameters);
  return rows.flatMap(({ subject }) => (isId('jen', subject) ? uuidOf(subject) : []));
}
