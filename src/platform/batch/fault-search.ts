/**
 * The search for the event that makes a group's batches fail. What the last batch that failed had read is suspected, and
 * nothing else is read until the event is found in it by halving; found alone, its place is set aside and the event is
 * tried again, alone, with backoff, while everything else goes on in full batches.
 *
 * F1: what is suspected shrinks with every failure, whatever comes in meanwhile.
 * F2: a strike counts against one event: the only new one of a batch that failed.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { backoffMs } from './backoff.ts';
import { placeOf, type Reading, type ReadPlace } from './reading.ts';

interface SetAside {
  readonly failures: number;
  /** After which the event stands that failed. */
  readonly position: number;
  /** By `performance.now()`. */
  readonly until: number;
}

interface Strikes {
  /** Of the event. */
  readonly position: number;
  readonly count: number;
  readonly since: EpochMs;
}

export class FaultSearch {
  readonly #random: () => number;
  readonly #setAside = new Map<string, SetAside>();
  readonly #strikes = new Map<string, Strikes>();
  /** By place, up to a position (F1). */
  readonly #suspected = new Map<string, number>();

  constructor(random: () => number) {
    this.#random = random;
  }

  get isUnderWay(): boolean {
    return this.#suspected.size > 0;
  }

  /** What a batch that failed had read anew is where to look; false if it had read nothing. */
  suspect(readings: readonly ReadPlace[]): boolean {
    const read = readings.filter(isNew);
    if (read.length === 0) return false;
    this.#suspected.clear();
    for (const { reading, upTo } of read)
      this.#suspected.set(placeOf(reading.topic, reading.partition), upTo);
    return true;
  }

  /** The event is found: everything else goes on. */
  end(): void {
    this.#suspected.clear();
  }

  /** What follows the place's position waits, and is tried again after a backoff of its own. */
  putAside(reading: Reading): void {
    const key = placeOf(reading.topic, reading.partition);
    const failures = (this.#setAside.get(key)?.failures ?? 0) + 1;
    const until = performance.now() + backoffMs(failures, this.#random);
    this.#setAside.set(key, { failures, position: reading.read, until });
  }

  /** F2: how often the event has failed alone by now, and since when. */
  strike(
    { topic, partition, position }: { topic: string; partition: number; position: number },
    now: EpochMs,
  ): Strikes {
    const key = placeOf(topic, partition);
    const before = this.#strikes.get(key);
    const strikes =
      before?.position === position
        ? { ...before, count: before.count + 1 }
        : { position, count: 1, since: now };
    this.#strikes.set(key, strikes);
    return strikes;
  }

  /** The place has been passed up to a position. */
  passed(reading: Reading, upTo: number): void {
    if (this.#setAside.size === 0 && this.#strikes.size === 0) return;
    const key = placeOf(reading.topic, reading.partition);
    this.#setAside.delete(key);
    const strikes = this.#strikes.get(key);
    if (strikes !== undefined && strikes.position <= upTo) this.#strikes.delete(key);
  }

  /** A place set aside whose time has come; its event is read alone. */
  dueAgain(
    readings: Iterable<Reading>,
    owned: readonly number[],
    partitions: readonly number[],
  ): Reading | undefined {
    if (this.#setAside.size === 0 || this.isUnderWay) return undefined;
    const known = [...readings];
    this.#dropSettled(known, owned);
    const now = performance.now();
    return known.find(({ topic, partition }) => {
      const aside = this.#setAside.get(placeOf(topic, partition));
      return aside !== undefined && aside.until <= now && partitions.includes(partition);
    });
  }

  /** What another process has passed meanwhile, or works on now, is set aside here no more. */
  #dropSettled(readings: readonly Reading[], owned: readonly number[]): void {
    for (const { topic, partition, read } of readings) {
      const key = placeOf(topic, partition);
      const aside = this.#setAside.get(key);
      if (aside !== undefined && (aside.position !== read || !owned.includes(partition)))
        this.#setAside.delete(key);
    }
  }

  /** What was suspected and has been passed all the same, or is another process' now. */
  dropCleared(readings: Iterable<Reading>, owned: readonly number[]): void {
    if (!this.isUnderWay) return;
    for (const { topic, partition, read } of readings) {
      const key = placeOf(topic, partition);
      const upTo = this.#suspected.get(key);
      if (upTo !== undefined && (read >= upTo || !owned.includes(partition))) this.#suspected.delete(key);
    }
  }

  /** Where a batch may read the topic: in what is suspected, if any of that is among the partitions of this turn. */
  among(topic: string, partitions: readonly number[], topics: readonly string[]): readonly number[] {
    if (this.isUnderWay) {
      const isSuspected = (from: string) => (partition: number) =>
        this.#suspected.has(placeOf(from, partition));
      const isSearch = topics.some((each) => partitions.some(isSuspected(each)));
      if (isSearch) return partitions.filter(isSuspected(topic));
    }
    if (this.#setAside.size === 0) return partitions;
    return partitions.filter((partition) => !this.#setAside.has(placeOf(topic, partition)));
  }

  /** The last position of the place that may be read now. */
  limitOf(topic: string, partition: number): number {
    return this.#suspected.get(placeOf(topic, partition)) ?? Number.POSITIVE_INFINITY;
  }
}

export function isNew({ reading, upTo }: ReadPlace): boolean {
  return upTo !== reading.read;
}
