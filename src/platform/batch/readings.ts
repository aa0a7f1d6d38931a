/**
 * Where a consumer group stands in the partitions that a process owns: its positions, how far each topic has been read
 * beyond them, and the keys parked behind them.
 *
 * W3: a position is what the last commit wrote, or unknown; after any failure it is unknown and read again, and the parked
 *     keys with it.
 * W7: where a position is gone it is made again, if that is safe; if not, its partition stands, and nothing else.
 */
import { InvariantViolation } from '#kernel/fault.ts';
import { ParkedKeys, type ParkingKeyOf } from '../dead-letters/parked-keys.ts';
import type { EventLog } from '../log/event-log.ts';
import type { TailReader } from '../log/tail.ts';
import type { Session } from '../postgres/session.ts';
import type { BatchObserver } from './observer.ts';
import { type Place, readPositions, remakePositions } from './positions.ts';
import { placeOf, type Reading, type ReadPlace, targetOf } from './reading.ts';

/** How soon a position that a person has put back is seen. */
const LOST_LOOK_MS = 10_000;

export interface ReadingsOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly parkingKeyOf: ParkingKeyOf;
  readonly log: EventLog;
  readonly session: Session;
  readonly observer: BatchObserver;
  readonly onGrowth: () => void;
}

export class Readings {
  readonly #options: ReadingsOptions;
  readonly #byPlace = new Map<string, Reading>();
  readonly #tailReaders = new Map<string, TailReader>();
  readonly #unsubscribe: (() => void)[];
  #isKnown = false;
  #parkedKeys = ParkedKeys.NONE;
  #owned: readonly number[] = [];
  /** Of those, where every position is known (W7). */
  #placed: readonly number[] = [];
  /** On the clock of `performance`. */
  #lookedAt = 0;

  constructor(options: ReadingsOptions) {
    this.#options = options;
    const { topics, log, onGrowth } = options;
    for (const topic of topics) this.#tailReaders.set(topic, log.tail(topic).addReader());
    this.#unsubscribe = topics.map((topic) => log.tail(topic).onGrowth(onGrowth));
  }

  get owned(): readonly number[] {
    return this.#owned;
  }

  /** Those it can work on. */
  get placed(): readonly number[] {
    return this.#placed;
  }

  get parkedKeys(): ParkedKeys {
    return this.#parkedKeys;
  }

  all(): Iterable<Reading> {
    return this.#byPlace.values();
  }

  of(topic: string, partition: number): Reading {
    const reading = this.#byPlace.get(placeOf(topic, partition));
    if (reading === undefined)
      throw new InvariantViolation(`group ${this.#options.group} has no position in ${topic}/${partition}`);
    return reading;
  }

  /** Every topic's place in the partitions of a batch. */
  placesBeside(batch: readonly ReadPlace[]): Place[] {
    const partitions = new Set(batch.map(({ reading }) => reading.partition));
    return [...this.#byPlace.values()]
      .filter(({ partition }) => partitions.has(partition))
      .map((reading) => ({ group: this.#options.group, ...reading }));
  }

  /** Where positions trail what has been passed by. */
  trailing(): Reading[] {
    return [...this.#byPlace.values()].filter(
      ({ partition, position, read }) => position < read && this.#placed.includes(partition),
    );
  }

  /** How many events of the topic lie in the partition behind what has been read, or behind `upTo`. */
  waiting(topic: string, partition: number, upTo = this.of(topic, partition).read): number {
    return Math.max(0, this.#options.log.tail(topic).head(partition) - upTo);
  }

  /** Positions of partitions that are new are read before the next batch. False if the process owned just these. */
  own(partitions: readonly number[]): boolean {
    if (partitions.length === this.#owned.length && partitions.every((p, index) => p === this.#owned[index]))
      return false;
    this.#owned = partitions;
    for (const reader of this.#tailReaders.values()) reader.readOnly(partitions);
    this.#isKnown = false;
    return true;
  }

  /** What is read may be committed or not (W3). */
  forget(): void {
    this.#isKnown = false;
  }

  /** Read, where nobody has to hear of it: the position stays. Of a partition that was given up meanwhile nothing is kept. */
  passBy({ reading, upTo }: ReadPlace): void {
    reading.read = upTo;
    if (this.#owned.includes(reading.partition)) this.#passed(reading.topic)[reading.partition] = upTo;
  }

  /** A commit has moved the position. */
  moved(read: ReadPlace, firstRetained: ReadonlyMap<string, number>): void {
    read.reading.position = targetOf(read, firstRetained);
    read.reading.turn += 1;
    this.passBy(read);
  }

  /** From the database, unless they are known; true if they were read. */
  async refresh(): Promise<boolean> {
    if (this.#isKnown && !this.#isLostDue()) return false;
    this.#isKnown = true;
    const places = await this.#read();
    this.#byPlace.clear();
    for (const { topic, partition, position, turn } of places) {
      // A topic that the group reads in another version only, earlier or later.
      if (!this.#tailReaders.has(topic)) continue;
      this.#byPlace.set(placeOf(topic, partition), { topic, partition, position, turn, read: position });
      if (this.#owned.includes(partition)) this.#passed(topic)[partition] = position;
    }
    const standing = new Set(this.#lostAmong(places).map(({ partition }) => partition));
    this.#placed = this.#owned.filter((partition) => !standing.has(partition));
    return true;
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** W7. The parked keys behind the positions, also of those that were made again. */
  async #read(): Promise<readonly Place[]> {
    const { session, observer, group, parkingKeyOf } = this.#options;
    const read = async (): Promise<readonly Place[]> => {
      const [places, parkedKeys] = await Promise.all([
        readPositions(session, [group]),
        ParkedKeys.read(session, group, parkingKeyOf),
      ]);
      this.#parkedKeys = parkedKeys;
      return places;
    };
    const found = await read();
    this.#lookedAt = performance.now();
    const lost = this.#lostAmong(found);
    if (lost.length === 0) return found;
    await remakePositions(session, group, lost);
    const places = await read();
    for (const place of lost)
      observer.positionLost?.(group, { ...place, isRemade: places.some((each) => isAt(each, place)) });
    return places;
  }

  /** Of the partitions that are owned, where the group has no position. */
  #lostAmong(places: readonly Place[]): TopicPartition[] {
    const known = new Set(places.map(({ topic, partition }) => placeOf(topic, partition)));
    return this.#options.topics.flatMap((topic) =>
      this.#owned
        .filter((partition) => !known.has(placeOf(topic, partition)))
        .map((partition) => ({ topic, partition })),
    );
  }

  #isLostDue(): boolean {
    return this.#placed.length < this.#owned.length && performance.now() - this.#lookedAt >= LOST_LOOK_MS;
  }

  #passed(topic: string): (number | undefined)[] {
    const reader = this.#tailReaders.get(topic);
    if (reader === undefined)
      throw new InvariantViolation(`group ${this.#options.group} does not read ${topic}`);
    return reader.passed;
  }
}

type TopicPartition = Pick<Place, 'topic' | 'partition'>;

function isAt(place: TopicPartition, { topic, partition }: TopicPartition): boolean {
  return place.topic === topic && place.partition === partition;
}
