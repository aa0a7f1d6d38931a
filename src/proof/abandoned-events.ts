/** What persons have had groups pass over for good: skipped, or discarded. Nobody answers it any more. */
import { idOf } from '#kernel/ids.ts';
import { int2Array, int8Array, textArray } from '#platform/postgres/arrays.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { TracedEvent } from './traced-event.ts';

/** What was to be answered, and the groups of which one must. */
interface Answerable {
  readonly event: TracedEvent;
  readonly stages: readonly { readonly service: string }[];
}

export interface AbandonedEvent {
  readonly group: string;
  /** The dead letter that was skipped or discarded. */
  readonly deadLetter: string;
}

export class AbandonedEvents {
  /** By group and identity. */
  readonly #events: ReadonlyMap<string, AbandonedEvent>;

  private constructor(events: ReadonlyMap<string, AbandonedEvent>) {
    this.#events = events;
  }

  /** Of answers that may be missing. By primary key; no statement where there are none. */
  static async read(reader: Reader, missing: readonly Answerable[]): Promise<AbandonedEvents> {
    const wanted = missing.flatMap(({ event, stages }) => stages.map(({ service }) => ({ event, service })));
    if (wanted.length === 0) return new AbandonedEvents(new Map());
    const rows = await reader.query<{ group: string; identity: string; dead_letter: string }>(
      `select a.consumer_group as "group", a.topic || '/' || a.partition || '/' || a.position as identity, a.dead_letter
       from unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[]) as wanted (grp, topic, partition, position)
       join log.abandoned_events a on a.consumer_group = wanted.grp and a.topic = wanted.topic
         and a.partition = wanted.partition and a.position = wanted.position`,
      [
        textArray(wanted.map(({ service }) => service)),
        textArray(wanted.map(({ event }) => event.topic)),
        int2Array(wanted.map(({ event }) => event.partition)),
        int8Array(wanted.map(({ event }) => event.position)),
      ],
    );
    return new AbandonedEvents(
      new Map(
        rows.map(({ group, identity, dead_letter }) => [
          `${group} ${identity}`,
          { group, deadLetter: idOf('dlt', dead_letter) },
        ]),
      ),
    );
  }

  /** By one of the groups that should have answered. */
  of({ event, stages }: Answerable): AbandonedEvent | undefined {
    return stages
      .map(({ service }) => this.#events.get(`${service} ${event.identity}`))
      .find((each) => each !== undefined);
  }
}
