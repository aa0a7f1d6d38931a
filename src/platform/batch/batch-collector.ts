/**
 * Collects a group's next batch: what its consumer has retained, and of each topic what is new, up to what is suspected of
 * a fault (fault-search.ts) and to what this program does not read. W4 is in consumer-worker.ts.
 */
import type { LogEvent } from '../log/event.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Session } from '../postgres/session.ts';
import type { Consumer, ConsumerPlan } from './consumer.ts';
import type { FaultSearch } from './fault-search.ts';
import { readNew } from './read-new.ts';
import type { Batch, Reading } from './reading.ts';
import type { Readings } from './readings.ts';

export interface CollectorOptions {
  readonly consumer: Pick<Consumer<unknown, ConsumerPlan>, 'group' | 'topics' | 'handles' | 'concerns'>;
  readonly log: EventLog;
  readonly session: Session;
  readonly readings: Readings;
  readonly search: FaultSearch;
  /**
   * Told of an event of a newer version than the consumer reads: not a fault of the event, so the partition goes to a
   * process that reads it (DESIGN §3).
   */
  readonly onUnknownVersion?: ((group: string, partition: number, event: LogEvent) => void) | undefined;
}

export interface Wanted {
  /** Which the batch may read, the first one first. */
  readonly partitions: readonly number[];
  readonly retained: readonly LogEvent[];
  /** Where positions trail what has been passed by, and are to be moved now. */
  readonly trailing: readonly Reading[];
  /** Most new events. */
  readonly limit: number;
}

/** What there is of a topic in one partition. */
interface Found {
  readonly reading: Reading;
  readonly events: readonly LogEvent[];
  /** The last one's position. */
  readonly upTo: number;
}

export class BatchCollector {
  readonly #options: CollectorOptions;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  async collect({ partitions, retained, trailing, limit: most }: Wanted): Promise<Batch> {
    const { readings, search } = this.#options;
    const { topics } = this.#options.consumer;
    const upTo = this.#standing(retained, trailing);
    const events = [...retained];
    const parked: LogEvent[] = [];
    search.dropCleared(readings.all(), readings.owned);
    const again = search.dueAgain(readings.all(), readings.owned, partitions);
    const limit = again === undefined ? most : 1;
    let room = limit;
    let isFull = false;
    for (const [index, topic] of topics.entries()) {
      if (room <= 0) break;
      if (again !== undefined && again.topic !== topic) continue;
      const among = again === undefined ? search.among(topic, partitions, topics) : [again.partition];
      // What a topic leaves of its share goes to the ones after it.
      const share = Math.max(1, Math.floor(room / (topics.length - index)));
      const roomBefore = room;
      for (const found of await this.#readTopic(topic, among, share)) {
        room -= found.events.length;
        upTo.set(found.reading, found.upTo);
        this.#divide(found.events, { events, parked });
      }
      // What comes from the table may be less than there was room for.
      isFull ||= roomBefore - room >= share || this.#waiting(topic, among, upTo) >= share;
    }
    const places = [...upTo].map(([reading, last]) => ({ reading, upTo: last }));
    return { readings: places, events, parked, passed: limit - room, isFull };
  }

  /** Where the batch stands before anything new is read: what is retained, or trails, has been. */
  #standing(retained: readonly LogEvent[], trailing: readonly Reading[]): Map<Reading, number> {
    const upTo = new Map<Reading, number>();
    for (const { topic, partition } of retained) {
      const reading = this.#options.readings.of(topic, partition);
      upTo.set(reading, reading.read);
    }
    for (const reading of trailing) upTo.set(reading, reading.read);
    return upTo;
  }

  async #readTopic(topic: string, partitions: readonly number[], room: number): Promise<Found[]> {
    const { log, session, readings } = this.#options;
    const after = (partition: number): number => readings.of(topic, partition).read;
    const read = await readNew({ log, session, topic, partitions, after, room });
    return [...read].flatMap(([partition, all]) => {
      const events = this.#upToUnknown(partition, this.#upToSuspected(topic, partition, all));
      const last = events.at(-1);
      return last === undefined
        ? []
        : [{ reading: readings.of(topic, partition), events, upTo: last.position }];
    });
  }

  /** W4: what the consumer acts on, and what it would act on, were its key not parked. */
  #divide(
    found: readonly LogEvent[],
    into: { readonly events: LogEvent[]; readonly parked: LogEvent[] },
  ): void {
    const { parkedKeys } = this.#options.readings;
    for (const event of found) {
      if (!this.#isActedOn(event)) continue;
      const standing = parkedKeys.standingOf(event);
      if (standing === 'free') into.events.push(event);
      else if (standing === 'parked') into.parked.push(event);
    }
  }

  /** How many events of the topic are left behind what the batch has read. */
  #waiting(topic: string, partitions: readonly number[], upTo: ReadonlyMap<Reading, number>): number {
    const { readings } = this.#options;
    return partitions.reduce((sum, partition) => {
      const readUpTo = upTo.get(readings.of(topic, partition));
      return sum + readings.waiting(topic, partition, readUpTo);
    }, 0);
  }

  #isActedOn(event: LogEvent): boolean {
    const { handles, concerns } = this.#options.consumer;
    if (!handles.has(event.type)) return false;
    try {
      return concerns?.(event) ?? true;
    } catch {
      return true; // not even that can be read from it: the batch fails on it, and it is found
    }
  }

  #upToSuspected(topic: string, partition: number, events: readonly LogEvent[]): readonly LogEvent[] {
    const { search } = this.#options;
    if (!search.isUnderWay) return events;
    const upTo = search.limitOf(topic, partition);
    return events.filter(({ position }) => position <= upTo);
  }

  /** What comes before the first event of a version that this program does not read; the partition is then given up. */
  #upToUnknown(partition: number, events: readonly LogEvent[]): readonly LogEvent[] {
    const { consumer, onUnknownVersion } = this.#options;
    const unknown = events.findIndex(
      ({ type, version }) => version > (consumer.handles.get(type) ?? version),
    );
    if (unknown === -1) return events;
    onUnknownVersion?.(consumer.group, partition, events[unknown] as LogEvent);
    return events.slice(0, unknown);
  }
}
