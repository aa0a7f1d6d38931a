/** The list of payments that wait for a person, by which an operator finds them, is what their statuses make it. */
import { idOf } from '#kernel/ids.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { listReconciliations, type RowRef } from '#services/payments/contract.ts';
import { expectedPayment } from './expected-rows.ts';
import { Positions } from './group-positions.ts';
import type { Lane } from './lane.ts';
import { type Check, differenceFinding } from './report.ts';
import { readTimelinesOf, type SagaTimeline } from './saga-timelines.ts';

const PAGE = 1_000;
const TOPICS = ['payments', 'validation', 'authorization'] as const;

export function waitsForPerson(timeline: SagaTimeline): boolean {
  return expectedPayment(timeline)?.['status'] === 'reconciliation_required';
}

/** `waiting`: those that the logs say wait, as they were met. What has changed since is looked at as it is now. */
export async function verifyReconciliations(
  lane: Lane,
  waiting: readonly SagaTimeline['subject'][],
  check: Check,
): Promise<void> {
  const listed = new Set<string>();
  for (let after: RowRef | undefined; ; ) {
    const cursor = after;
    const page = await lane.snapshot(async (reader) => {
      const rows = await listReconciliations(reader, cursor, PAGE);
      const subjects = rows.map(({ uuid }) => idOf('pay', uuid));
      return { rows, settled: await settledOf(reader, subjects) };
    });
    for (const row of page.rows) {
      const subject = idOf('pay', row.uuid);
      const settled = page.settled.get(subject);
      const isAnothers = settled?.tenant !== undefined && settled.tenant !== row.tenant;
      if (!isAnothers) listed.add(subject);
      if (!isAnothers && settled?.isWaiting !== false) continue;
      check.found(differenceFinding('reconciliation', subject, { key: {}, kind: 'extra', detail: '' }));
    }
    after = placeBehind(page.rows, PAGE);
    if (after === undefined) break;
  }
  await findMissing(
    lane,
    waiting.filter((subject) => !listed.has(subject)),
    check,
  );
}

/** Those that still wait, and are not on the list of the same instant. */
async function findMissing(
  lane: Lane,
  subjects: readonly SagaTimeline['subject'][],
  check: Check,
): Promise<void> {
  if (subjects.length === 0) return;
  const missing = await lane.snapshot(async (reader) => {
    const settled = await settledOf(reader, subjects);
    const listed = new Set<string>();
    for (let after: RowRef | undefined; ; ) {
      const rows = await listReconciliations(reader, after, PAGE);
      for (const { tenant, uuid } of rows) {
        const subject = idOf('pay', uuid);
        if (settled.get(subject)?.tenant === tenant) listed.add(subject);
      }
      after = placeBehind(rows, PAGE);
      if (after === undefined) break;
    }
    return subjects.filter((subject) => settled.get(subject)?.isWaiting === true && !listed.has(subject));
  });
  for (const subject of missing) {
    check.found(differenceFinding('reconciliation', subject, { key: {}, kind: 'missing', detail: '' }));
  }
}

interface Settled {
  /** Whose it is; undefined without a request. */
  readonly tenant: string | undefined;
  readonly isWaiting: boolean;
}

/** Whether each waits for a person; absent if the payments group has not passed what its logs tell. None does without a request. */
async function settledOf(
  reader: Reader,
  subjects: readonly SagaTimeline['subject'][],
): Promise<ReadonlyMap<string, Settled>> {
  const [positions, timelines] = await Promise.all([
    Positions.read(reader),
    readTimelinesOf(reader, subjects, TOPICS),
  ]);
  const told = new Set<string>(timelines.map(({ subject }) => subject));
  const untold: Settled = { tenant: undefined, isWaiting: false };
  return new Map([
    ...subjects
      .filter((subject) => !told.has(subject))
      .map((subject): [string, Settled] => [subject, untold]),
    ...timelines
      .filter(({ events }) => positions.hasPassedAll('payments', events))
      .map((timeline): [string, Settled] => [
        timeline.subject,
        { tenant: timeline.events[0]?.tenant, isWaiting: waitsForPerson(timeline) },
      ]),
  ]);
}
