/**
 * The tail of a topic, in memory: the newest events, decoded once per process and shared by its readers. What this
 * process appends enters when its commit has succeeded; what others append is read from the database when a head shows
 * that it is there. So a process alone never reads back what it wrote.
 *
 * T1: a partition's tail is contiguous: positions base+1 … end, never a gap.
 * T2: only committed events enter, and they equal what a reader of the table would decode.
 * T3: it holds what some reader of this process has still to pass, and is bounded; who is further behind reads the table.
 */
import { invariant } from '#kernel/fault.ts';
import type { AppendedSegment } from './append.ts';
import type { LogEvent } from './event.ts';

/** At 6000 events a second over 16 partitions more than three seconds, which is more than the slowest reader needs. */
const MAX_EVENTS_PER_PARTITION = 1280;
/** Of a partition, as `weightOf` has it: 1280 ordinary events have less. The log of a bulk load would fill the heap otherwise. */
const MAX_WEIGHT_PER_PARTITION = 2 * 1024 * 1024;
/** What all readers have passed is given up in lots of so many, so that trimming costs little an event. */
const TRIM_LOT = 32;

/** Others append between ours: what cannot join after so many commits is dropped, and read from the table like theirs. */
const MAX_EARLY_SEGMENTS = 64;

interface PartitionTail {
  /** Position before the first event kept. */
  base: number;
  /** The events base+1 … base+length. */
  events: LogEvent[];
  /** Of those. */
  weight: number;
  /** Highest position known to be committed, here or elsewhere. */
  head: number;
  /** Of all that were ever entered the one with the highest position: kept when it is given up. */
  newest: LogEvent | undefined;
  /** Segments that came before the ones that precede them: two commits of this process may be heard of in either order. */
  readonly early: Map<number, readonly LogEvent[]>;
}

export type TailRead =
  | { readonly kind: 'events'; readonly events: readonly LogEvent[] }
  /** Nothing after this position is known to be committed. */
  | { readonly kind: 'none' }
  /** The events exist but are not here: read (after, upTo] from the table. */
  | { readonly kind: 'elsewhere'; readonly upTo: number };

/** How far a consumer of this process has read, by partition; undefined where it reads nothing. */
export class TailReader {
  readonly passed: (number | undefined)[];

  constructor(partitions: number) {
    this.passed = Array.from({ length: partitions }, () => undefined);
  }

  /** Reads only these from now on. */
  readOnly(partitions: readonly number[]): void {
    for (let partition = 0; partition < this.passed.length; partition++) {
      if (!partitions.includes(partition)) this.passed[partition] = undefined;
    }
  }
}

export class TopicTail {
  readonly topic: string;
  readonly #readers: TailReader[] = [];
  readonly #partitions: PartitionTail[];
  readonly #listeners = new Set<() => void>();

  constructor(topic: string, heads: readonly number[]) {
    this.topic = topic;
    this.#partitions = heads.map((head) => ({
      base: head,
      events: [],
      weight: 0,
      head,
      newest: undefined,
      early: new Map(),
    }));
  }

  /** Called at every change of a head; a wake-up, compared with positions and never trusted as an edge. */
  onGrowth(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  addReader(): TailReader {
    const reader = new TailReader(this.#partitions.length);
    this.#readers.push(reader);
    return reader;
  }

  head(partition: number): number {
    return this.#at(partition).head;
  }

  /** Of each partition of which any event was entered the newest that was. */
  newest(): LogEvent[] {
    return this.#partitions.flatMap(({ newest }) => newest ?? []);
  }

  /** Enters what a commit of this process appended. */
  publish(segments: readonly AppendedSegment[]): void {
    for (const { partition, events } of segments) this.#enter(partition, events);
    this.#grown();
  }

  /** A head as read from the database: others may have appended. */
  noteHead(partition: number, head: number): void {
    const tail = this.#at(partition);
    if (head <= tail.head) return;
    tail.head = head;
    this.#grown();
  }

  /** Up to `limit` events after `position`. */
  read(partition: number, position: number, limit: number): TailRead {
    const tail = this.#at(partition);
    if (position >= tail.head) return { kind: 'none' };
    const end = tail.base + tail.events.length;
    if (position >= tail.base && position < end) {
      const from = position - tail.base;
      return { kind: 'events', events: tail.events.slice(from, from + limit) };
    }
    return {
      kind: 'elsewhere',
      upTo: position < tail.base ? Math.min(tail.base, position + limit) : tail.head,
    };
  }

  /** Enters what was read from the table, so that the other readers find it here (T2). Beyond a gap it starts the tail anew (T1). */
  fill(partition: number, events: readonly LogEvent[]): void {
    const first = events[0];
    if (first === undefined) return;
    const tail = this.#at(partition);
    if (first.position > tail.base + tail.events.length + 1) {
      tail.base = first.position - 1;
      tail.events = [];
      tail.weight = 0;
    }
    this.#enter(partition, events);
  }

  #enter(partition: number, events: readonly LogEvent[]): void {
    const tail = this.#at(partition);
    const first = events[0];
    const last = events.at(-1);
    invariant(first !== undefined && last !== undefined, 'a segment has events');
    const end = tail.base + tail.events.length;
    if (last.position > tail.head) tail.head = last.position;
    if (last.position > (tail.newest?.position ?? 0)) tail.newest = last;
    if (last.position <= end) return;
    if (first.position > end + 1) {
      tail.early.set(first.position, events);
      if (tail.early.size > MAX_EARLY_SEGMENTS) tail.early.clear();
      return;
    }
    for (const event of events) if (event.position > end) add(tail, event);
    this.#joinEarly(tail);
    this.#trim(tail, this.#passedByAll(partition));
  }

  /** The last position that every reader of the partition has passed; where nobody reads, everything. */
  #passedByAll(partition: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { passed } of this.#readers) least = Math.min(least, passed[partition] ?? least);
    return least;
  }

  #joinEarly(tail: PartitionTail): void {
    while (tail.early.size > 0) {
      const next = tail.base + tail.events.length + 1;
      const events = tail.early.get(next);
      if (events === undefined) {
        for (const position of tail.early.keys()) if (position < next) tail.early.delete(position);
        return;
      }
      tail.early.delete(next);
      for (const event of events) add(tail, event);
    }
  }

  #trim(tail: PartitionTail, passedByAll: number): void {
    const passed = Math.min(tail.events.length, passedByAll - tail.base);
    let excess = Math.max(passed, tail.events.length - MAX_EVENTS_PER_PARTITION);
    if (excess < TRIM_LOT) excess = 0;
    let { weight } = tail;
    for (let index = 0; index < excess; index++) weight -= weightOf(tail.events[index]);
    for (; weight > MAX_WEIGHT_PER_PARTITION; excess++) weight -= weightOf(tail.events[excess]);
    if (excess === 0) return;
    tail.events = tail.events.slice(excess);
    tail.base += excess;
    tail.weight = weight;
  }

  #grown(): void {
    for (const listener of this.#listeners) listener();
  }

  #at(partition: number): PartitionTail {
    const tail = this.#partitions[partition];
    invariant(tail !== undefined, `${this.topic} has no partition ${partition}`);
    return tail;
  }
}

function add(tail: PartitionTail, event: LogEvent): void {
  tail.events.push(event);
  tail.weight += weightOf(event);
}

const EVENT_WEIGHT = 512;
const ITEM_WEIGHT = 64;

/** Some bytes, by what makes an event large: a text (a message of the hub), or a list (the postings of an entry). */
function weightOf(event: LogEvent | undefined): number {
  let weight = EVENT_WEIGHT;
  if (event === undefined) return weight;
  const { data } = event;
  for (const name in data) {
    const value = data[name];
    if (typeof value === 'string') weight += value.length;
    else if (Array.isArray(value)) weight += value.length * ITEM_WEIGHT;
  }
  return weight;
}
