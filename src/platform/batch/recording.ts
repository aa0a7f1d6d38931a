import type { EpochMs } from '#kernel/clock.ts';
import { invariant } from '#kernel/fault.ts';
import type { AppendedSegment, PreparedAppend } from '../log/append.ts';
import type { EventDraft, LogEvent } from '../log/event.ts';

/** Appends of one topic whose places are known, with the first position in each slot. */
export interface PlacedAppend {
  readonly append: PreparedAppend;
  readonly firsts: readonly number[];
  readonly segments: readonly AppendedSegment[];
}

/** The events that a batch of a passage decides, placed one behind the other after the heads that it found. */
export class Recording {
  readonly occurredAt: EpochMs;
  readonly #head: (topic: string, partition: number) => number;
  readonly #byTopic = new Map<string, Map<number, LogEvent[]>>();

  constructor(options: { occurredAt: EpochMs; head: (topic: string, partition: number) => number }) {
    this.occurredAt = options.occurredAt;
    this.#head = options.head;
  }

  place(cause: LogEvent, topic: string, draft: EventDraft): LogEvent {
    const { partition } = cause;
    invariant(draft.key === cause.key && draft.tenant === cause.tenant, `${draft.type} leaves its partition`);
    const events = this.#eventsOf(topic, partition);
    const position = this.#head(topic, partition) + 1 + events.length;
    const event: LogEvent = { ...draft, topic, partition, position, occurredAt: this.occurredAt };
    events.push(event);
    return event;
  }

  /** The last position in the partition once this is committed. */
  end(topic: string, partition: number): number {
    const placed = this.#byTopic.get(topic)?.get(partition)?.length ?? 0;
    return this.#head(topic, partition) + placed;
  }

  /** By topic ascending, partitions ascending: the order in which heads are locked (R3). */
  appends(): PlacedAppend[] {
    return [...this.#byTopic]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([topic, byPartition]) => this.#appendOf(topic, byPartition));
  }

  #appendOf(topic: string, byPartition: ReadonlyMap<number, readonly LogEvent[]>): PlacedAppend {
    const segments = [...byPartition]
      .map(([partition, events]) => ({ topic, partition, events }))
      .sort((a, b) => a.partition - b.partition);
    return {
      append: {
        topic,
        occurredAt: this.occurredAt,
        slots: segments.map(({ partition, events }) => ({ partition, drafts: events })),
      },
      firsts: segments.map(({ partition }) => this.#head(topic, partition) + 1),
      segments,
    };
  }

  #eventsOf(topic: string, partition: number): LogEvent[] {
    let byPartition = this.#byTopic.get(topic);
    if (byPartition === undefined) this.#byTopic.set(topic, (byPartition = new Map<number, LogEvent[]>()));
    let events = byPartition.get(partition);
    if (events === undefined) byPartition.set(partition, (events = []));
    return events;
  }
}
