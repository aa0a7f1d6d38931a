/**
 * Since when a person wants a whole payment undone: while that stands, nothing of it is given back in part. What the row of its
 * refunds says is what the logs tell.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { idOf } from '#kernel/ids.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { type RowRef, undoRequestsOf } from '#services/payments/contract.ts';
import { textOf } from './event-data.ts';
import type { Lane } from './lane.ts';
import { type Check, differenceFinding } from './report.ts';
import { readTimelinesOf, type SagaTimeline } from './saga-timelines.ts';
import type { TracedEvent } from './traced-event.ts';

const PAGE = 1_000;
/** Who asks, and who says that it does not count. */
const TOPICS = ['payments', 'authorization'] as const;

/** Whether a person ever wanted all of the payment undone. */
export function isToBeUndone({ events }: Pick<SagaTimeline, 'events'>): boolean {
  return events.some(asksForUndo);
}

/** Of these payments: those that the logs, or the rows, say it of, as they were met. They are looked at as they are now. */
export async function verifyUndoRequests(
  lane: Lane,
  payments: readonly RowRef[],
  check: Check,
): Promise<void> {
  for (let at = 0; at < payments.length; at += PAGE) {
    const page = payments.slice(at, at + PAGE);
    for (const { subject, detail } of await lane.snapshot((reader) => judgePage(reader, page)))
      check.found(differenceFinding('undo_request', subject, { key: {}, kind: 'different', detail }));
  }
}

interface Fault {
  readonly subject: string;
  readonly detail: string;
}

/** What the logs tell of each, and its row. */
async function judgePage(reader: Reader, payments: readonly RowRef[]): Promise<Fault[]> {
  const subjects = payments.map(({ uuid }) => idOf('pay', uuid));
  const timelines = await readTimelinesOf(reader, subjects, TOPICS);
  const eventsOf = new Map(timelines.map(({ uuid, events }) => [uuid, events]));
  const rows = await undoRequestsOf(reader, payments);
  const requestedAt = new Map(rows.map(({ uuid, undoRequestedAt }) => [uuid, undoRequestedAt]));
  return payments.flatMap(({ uuid }) =>
    faultsOf({ subject: idOf('pay', uuid), events: eventsOf.get(uuid) ?? [] }, requestedAt.get(uuid) ?? null),
  );
}

const UNDO_GIVEN_UP: ReadonlySet<string> = new Set(['payment.resolution_refused', 'payment.upheld']);

/** A request that is refused, or given up, is taken from the row when the payments' group passes that, which may be later. */
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
  const isOver = events.some(({ type, at }) => UNDO_GIVEN_UP.has(type) && at >= (last ?? at));
  if (last === undefined || isOver) return [];
  return [{ subject, detail: 'undo_requested_at is not there, and a person asked for that' }];
}

function asksForUndo({ type, data }: TracedEvent): boolean {
  return type === 'payment.resolution_requested' && textOf(data?.['outcome']) === 'not_charged';
}
