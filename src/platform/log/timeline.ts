/** A subject's events over several topics, oldest first: how every step of a saga is read back (D8, P2). */
import { toRfc3339 } from '#kernel/clock.ts';
import type { Reader } from '../postgres/read-pool.ts';
import { eventIdentity, type JsonObject, type LogEvent } from './event.ts';
import { decodeEvent, type EventRow } from './event-log.ts';

/** By each topic's index on subject. Events of another tenant are not there. */
export async function readTimeline(
  reader: Reader,
  topics: readonly string[],
  about: { readonly tenant: string; readonly subject: string },
): Promise<LogEvent[]> {
  const parts = topics.map(
    (topic) =>
      `select '${topic}' as topic, e.* from "${topic}".events e where e.subject = $1 and e.tenant = $2`,
  );
  const rows = await reader.query<EventRow & { topic: string }>(parts.join(' union all '), [
    about.subject,
    about.tenant,
  ]);
  return inCausalOrder(rows.map((row) => decodeEvent(row.topic, row)));
}

type Placed = Pick<LogEvent, 'topic' | 'partition' | 'position' | 'occurredAt' | 'causation'>;

/** By time, and of the same millisecond by what caused what. */
export function inCausalOrder<Event extends Placed>(events: readonly Event[]): Event[] {
  const depths = new Map<string, number>();
  const byIdentity = new Map(events.map((event) => [eventIdentity(event), event]));
  const depthOf = (event: Event): number => {
    const known = depths.get(eventIdentity(event));
    if (known !== undefined) return known;
    depths.set(eventIdentity(event), 0); // ends a cycle, which only a damaged log has
    const cause = byIdentity.get(event.causation);
    const depth = cause === undefined ? 0 : depthOf(cause) + 1;
    depths.set(eventIdentity(event), depth);
    return depth;
  };
  return events.toSorted((a, b) =>
    a.occurredAt === b.occurredAt ? depthOf(a) - depthOf(b) : a.occurredAt - b.occurredAt,
  );
}

/** An event in a timeline on the wire (DESIGN §6). */
export function renderTimelineEvent(event: LogEvent): JsonObject {
  return {
    id: eventIdentity(event),
    type: event.type,
    topic: event.topic,
    occurred_at: toRfc3339(event.occurredAt),
    correlation_id: event.correlationId,
    causation: event.causation,
    data: event.data,
  };
}
