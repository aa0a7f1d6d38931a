import type { LogEvent } from '../log/event.ts';

/** How far one topic's partition has been read. */
export interface Reading {
  readonly topic: string;
  readonly partition: number;
  /** As committed; behind `read` by what is retained. */
  position: number;
  /** Counts the group's commits here: also one that retains everything, and leaves the position, fences others (R1). */
  turn: number;
  /** Last position read. */
  read: number;
}

export interface Batch {
  /** Where something new was read or something is retained, with the last position read. */
  readonly readings: readonly ReadPlace[];
  /** Those the consumer acts on: the retained ones, then the new ones. */
  readonly events: readonly LogEvent[];
  /** New ones that it would act on, were their keys not parked. */
  readonly parked: readonly LogEvent[];
  /** How many new ones were read, acted on or not. */
  readonly passed: number;
  /** Of some topic it had no room for more. */
  readonly isFull: boolean;
}

export interface ReadPlace {
  readonly reading: Reading;
  readonly upTo: number;
}

export function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/** Where the position goes: to the last event read, or before the first that is retained. */
export function targetOf({ reading, upTo }: ReadPlace, firstRetained: ReadonlyMap<string, number>): number {
  const first = firstRetained.get(placeOf(reading.topic, reading.partition));
  return first === undefined ? upTo : first - 1;
}

/** The first position among the events, by topic and partition. */
export function firstPositions(events: readonly LogEvent[]): ReadonlyMap<string, number> {
  const firsts = new Map<string, number>();
  for (const { topic, partition, position } of events) {
    const place = placeOf(topic, partition);
    const first = firsts.get(place);
    if (first === undefined || position < first) firsts.set(place, position);
  }
  return firsts;
}
