/**
 * Since when a person wants a whole payment undone: while that stands, nothing of it is given back in part. What the row of its
 * refunds says is what the logs tell.
 */

import type { EpochMs } from '#kernel/clock.ts';
import { idOf, type PaymentId } from '#kernel/ids.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { listUndoRequests, type RowRef, undoRequestsOf } from '#services/payments/contract.ts';
import { textOf } from './event-data.ts';
import type { Lane } from './lane.ts';
import { readTimelinesOf, type SagaTimeline } from './payment-pages.ts';
import { type Check, differenceFinding } from './report.ts';
import type { TracedEvent } from './traced-event.ts';

const PAGE = 1_000;
/** Who asks, and who says that it does not count. */
const TOPICS = ['payments', 'authorization'] as const;

/** Whether a person ever wanted all of the payment undone. */
export function isToBeUndone({ events }: Pick<SagaTimeline, 'events'>): boolean {
  return events.some(asksForUndo);
}

/** `asked`: those of which the logs say so, as they were met. What has changed since is looked at as it is now. */
export async function verifyUndoRequests(
  lane: Lane,
  asked: readonly SagaTimeline['subject'][],
  check: Check,
): Promise<void> {
  await verifyUndoRequestsOf(lane, asked, check);
  for (let after: RowRef | undefined; ; ) {
    const cursor = after;
    const { rows, faults } = await lane.snapshot((reader) => judgeListed(reader, cursor));
    report(faults, check);
    after = placeBehind(rows, PAGE);
    if (after === undefined) return;
  }
}

/** Of these payments alone. */
export async function verifyUndoRequestsOf(
  lane: Lane,
  subjects: readonly SagaTimeline['subject'][],
  check: Check,
): Promise<void> {
  for (let at = 0; at < subjects.length; at += PAGE) {
    const page = subjects.slice(at, at + PAGE);
    report(await lane.snapshot((reader) => judgeOf(reader, page)), check);
  }
}

interface Fault {
  readonly subject: string;
  readonly detail: string;
}

function report(faults: readonly Fault[], check: Check): void {
  for (const { subject, detail } of faults)
    check.found(differenceFinding('undo_request', subject, { key: {}, kind: 'different', detail }));
}

/** What the logs tell of each, and its row. */
async function judgeOf(reader: Reader, subjects: readonly SagaTimeline['subject'][]): Promise<Fault[]> {
  const timelines = await readTimelinesOf(reader, subjects, TOPICS);
  const refs = timelines.flatMap(({ uuid, events: [first] }) =>
    first ? [{ tenant: first.tenant, uuid }] : [],
  );
  const rows = await undoRequestsOf(reader, refs);
  const requestedAt = new Map(rows.map(({ uuid, undoRequestedAt }) => [uuid, undoRequestedAt]));
  return timelines.flatMap((timeline) => faultsOf(timeline, requestedAt.get(timeline.uuid) ?? null));
}

/** A page of the rows that say so: what the logs tell of each. */
async function judgeListed(
  reader: Reader,
  after: RowRef | undefined,
): Promise<{ readonly rows: readonly RowRef[]; readonly faults: readonly Fault[] }> {
  const rows = await listUndoRequests(reader, after, PAGE);
  const subjects = rows.map(({ uuid }): PaymentId => idOf('pay', uuid));
  const timelines = await readTimelinesOf(reader, subjects, TOPICS);
  const byUuid = new Map(timelines.map((timeline) => [timeline.uuid, timeline]));
  const faults = rows.flatMap(({ uuid, undoRequestedAt }) =>
    faultsOf(byUuid.get(uuid) ?? { subject: idOf('pay', uuid), events: [] }, undoRequestedAt),
  );
  return { rows, faults };
}

/** A request that is refused is taken from the row when the payments' group passes that, which may be later. */
function faultsOf(
  { subject, events }: Pick<SagaTimeline, 'subject' | 'events'>,
  undoRequestedAt: EpochMs | null,
): Fault[] {
  const asked = events.filter(asksForUndo).map(({ at }) => at);
  if (undoRequestedAt !== null) {
    if (asked.includes(undoRequestedAt)) return [];
    return [{ subject, detail: 'undo_requested_at is a time at which nobody asked for that' }];
  }
  const last = asked.at(-1);
  const isOver = events.some(({ type, at }) => type === 'payment.resolution_refused' && at >= (last ?? at));
  if (last === undefined || isOver) return [];
  return [{ subject, detail: 'undo_requested_at is not there, and a person asked for that' }];
}

function asksForUndo({ type, data }: TracedEvent): boolean {
  return type === 'payment.resolution_requested' && textOf(data?.['outcome']) === 'not_charged';
}
