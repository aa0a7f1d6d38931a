/** What consumer groups have handled, by their positions and by what waits behind dead letters. */
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { TracedEvent } from './traced-event.ts';

/** By partition; where there is none, the group has passed nothing that can be told. */
type Places = ReadonlyMap<number, number>;

/** How far each group has read each partition of its topics, and what of that waits behind a dead letter. */
export class Positions {
  readonly #groups: ReadonlyMap<string, ReadonlyMap<string, Places>>;
  /** By group, identities. */
  readonly #waiting: ReadonlyMap<string, ReadonlySet<string>>;

  private constructor(
    groups: ReadonlyMap<string, ReadonlyMap<string, Places>>,
    waiting: ReadonlyMap<string, ReadonlySet<string>>,
  ) {
    this.#groups = groups;
    this.#waiting = waiting;
  }

  static async read(reader: Reader): Promise<Positions> {
    const [rows, waiting] = await Promise.all([
      reader.query<{ consumer_group: string; topic: string; partition: number; position: bigint }>(
        'select consumer_group, topic, partition, position from log.positions',
        [],
      ),
      readWaiting(reader),
    ]);
    const groups = new Map<string, Map<string, Map<number, number>>>();
    for (const { consumer_group, topic, partition, position } of rows) {
      const topics = groups.get(consumer_group) ?? new Map<string, Map<number, number>>();
      const places = topics.get(topic) ?? new Map<number, number>();
      groups.set(consumer_group, topics.set(topic, places.set(partition, Number(position))));
    }
    return new Positions(groups, waiting);
  }

  /** Whether the group has handled every one of the events that are of its topics. */
  hasPassedAll(group: string, events: readonly TracedEvent[]): boolean {
    const topics = this.#groups.get(group);
    return events.every((event) => {
      const places = topics?.get(event.topic);
      if (places === undefined) return true;
      return event.position <= (places.get(event.partition) ?? 0) && !this.isWaiting(group, event);
    });
  }

  /**
   * Whether the group has committed what follows from the event. It may have before: a group that keeps an event for
   * its next batch keeps its position before it, and goes on with the ones behind.
   */
  hasPassed(group: string, event: TracedEvent): boolean {
    const position = this.#groups.get(group)?.get(event.topic)?.get(event.partition) ?? 0;
    return event.position <= position && !this.isWaiting(group, event);
  }

  /** Whether the event is an open dead letter of the group, or is parked behind one: passed, and not handled. */
  isWaiting(group: string, { identity }: TracedEvent): boolean {
    return this.#waiting.get(group)?.has(identity) === true;
  }
}

/** Both tables hold what waits and nothing else. */
async function readWaiting(reader: Reader): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const rows = await reader.query<{ consumer_group: string; identity: string }>(
    `select consumer_group, topic || '/' || partition || '/' || position as identity
     from log.parked_keys where dead_letter is not null
     union all
     select consumer_group, topic || '/' || partition || '/' || position from log.parked_events`,
    [],
  );
  const groups = Map.groupBy(rows, (row) => row.consumer_group);
  return new Map([...groups].map(([group, own]) => [group, new Set(own.map(({ identity }) => identity))]));
}
