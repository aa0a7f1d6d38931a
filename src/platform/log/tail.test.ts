import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { LogEvent } from './event.ts';
import { TopicTail } from './tail.ts';

const TOPIC = 'source';
/** The tail's own bound, per partition (T3). */
const KEPT = 1280;
/** What all have passed is given up in lots, so a little more may be there. */
const LOT = 32;

function eventAt(position: number, partition = 0): LogEvent {
  return {
    topic: TOPIC,
    partition,
    position,
    type: 'tick',
    version: 1,
    subject: 'key',
    tenant: 'acme',
    key: 'key',
    data: { position },
    occurredAt: position,
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
  };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

function eventsFrom(first: number, count: number): LogEvent[] {
  return range(first, first + count).map((position) => eventAt(position));
}

function positionsOf(events: readonly LogEvent[]): number[] {
  return events.map(({ position }) => position);
}

/** One partition as a reader of the table would see it, with two readers that follow the tail, and what this process has yet to hear of. */
class Follower {
  position: number;
  readonly seen: number[] = [];
  constructor(start: number) {
    this.position = start;
  }
}

class World {
  readonly start: number;
  readonly tail: TopicTail;
  committed: number;
  heard: number;
  readonly unpublished: LogEvent[][] = [];
  readonly followers: Follower[];
  readonly faults: string[] = [];
  readonly #readers;

  constructor(start: number) {
    this.start = start;
    this.committed = start;
    this.heard = start;
    this.tail = new TopicTail(TOPIC, [start]);
    this.followers = [new Follower(0), new Follower(start)];
    this.#readers = this.followers.map(() => this.tail.addReader());
    this.followers.forEach((_, index) => this.#pass(index));
  }

  commit(count: number, isOurs: boolean): void {
    const events = eventsFrom(this.committed + 1, count);
    this.committed += count;
    if (isOurs) this.unpublished.push(events);
  }

  /** Two commits of one process may be heard of in either order. */
  publish(which: number): void {
    const [events] = this.unpublished.splice(which % Math.max(1, this.unpublished.length), 1);
    if (events === undefined) return;
    this.tail.publish([{ topic: TOPIC, partition: 0, events }]);
    this.heard = Math.max(this.heard, events.at(-1)?.position ?? 0);
  }

  noteHead(behind: number): void {
    const head = Math.max(0, this.committed - behind);
    this.tail.noteHead(0, head);
    this.heard = Math.max(this.heard, head);
  }

  /** As the consumer worker does: from the tail, else from the table, which fills the tail. */
  follow(index: number, limit: number): void {
    const follower = this.followers[index] as Follower;
    const read = this.tail.read(0, follower.position, limit);
    if (read.kind === 'none') {
      this.#must(follower.position >= this.heard, 'nothing was found where something was heard of');
      return;
    }
    let { position } = follower;
    if (read.kind === 'events') {
      this.#must(
        read.events.length > 0 && read.events.length <= limit,
        'more or fewer events than asked for',
      );
      position = this.#take(follower, read.events);
    } else {
      const exists = read.upTo > follower.position && read.upTo <= this.committed;
      this.#must(exists, `sent to the table for ${follower.position} to ${read.upTo}`);
      const found = eventsFrom(position + 1, Math.min(read.upTo, position + limit) - position);
      this.tail.fill(0, found);
      position = this.#take(follower, found);
    }
    follower.position = position;
    this.#pass(index);
  }

  /** The lease was lost and came back: the position is read again from the database, where it may be further back. */
  rewind(index: number, by: number): void {
    const follower = this.followers[index] as Follower;
    follower.position = Math.max(0, follower.position - by);
    follower.seen.length = 0;
    this.#readers[index]?.readOnly([]);
    this.#pass(index);
  }

  #take(follower: Follower, events: readonly LogEvent[]): number {
    const expected = eventsFrom(follower.position + 1, events.length);
    this.#must(
      isDeepStrictEqual(events, expected),
      `after ${follower.position} came ${positionsOf(events).join(' ')}`,
    ); // T1, T2
    follower.seen.push(...positionsOf(events));
    return follower.position + events.length;
  }

  #must(condition: boolean, fault: string): void {
    if (!condition) this.faults.push(fault);
  }

  #pass(index: number): void {
    const reader = this.#readers[index];
    if (reader !== undefined) reader.passed[0] = this.followers[index]?.position;
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({
      step: fc.constant('commit' as const),
      count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 60 })),
      isOurs: fc.boolean(),
    }),
    fc.record({ step: fc.constant('publish' as const), which: fc.nat({ max: 5 }) }),
    fc.record({ step: fc.constant('noteHead' as const), behind: fc.nat({ max: 80 }) }),
    fc.record({
      step: fc.constant('follow' as const),
      index: fc.nat({ max: 1 }),
      limit: fc.integer({ min: 1, max: 100 }),
    }),
    fc.record({ step: fc.constant('rewind' as const), index: fc.nat({ max: 1 }), by: fc.nat({ max: 200 }) }),
  ),
  { maxLength: 120 },
);

type Step = (typeof steps extends fc.Arbitrary<infer Steps> ? Steps : never)[number];

function take(world: World, step: Step): void {
  switch (step.step) {
    case 'commit':
      world.commit(step.count, step.isOurs);
      break;
    case 'publish':
      world.publish(step.which);
      break;
    case 'noteHead':
      world.noteHead(step.behind);
      break;
    case 'follow':
      world.follow(step.index, step.limit);
      break;
    case 'rewind':
      world.rewind(step.index, step.by);
  }
}

test('T1, T2: whatever is heard in whatever order, a reader that follows sees every position once and in order', () => {
  fc.assert(
    fc.property(fc.nat({ max: 3000 }), steps, (start, taken) => {
      const world = new World(start);
      for (const step of taken) take(world, step);
      while (world.unpublished.length > 0) world.publish(0);
      world.noteHead(0);
      world.followers.forEach((follower, index) => {
        for (let turns = 0; follower.position < world.committed; turns++) {
          expect(turns).toBeLessThan(200);
          world.follow(index, 100);
        }
        expect(world.faults).toEqual([]);
        const first = follower.seen[0] ?? follower.position + 1;
        expect(follower.seen).toEqual(range(first, world.committed + 1));
      });
    }),
    { numRuns: 300 },
  );
});

describe('T3', () => {
  function givenTail(passed: number | undefined): { tail: TopicTail; pass(position: number): void } {
    const tail = new TopicTail(TOPIC, [0]);
    const reader = tail.addReader();
    reader.passed[0] = passed;
    return { tail, pass: (position) => (reader.passed[0] = position) };
  }

  function publish(tail: TopicTail, first: number, count: number): void {
    tail.publish([{ topic: TOPIC, partition: 0, events: eventsFrom(first, count) }]);
  }

  test('what a reader has still to pass is kept, up to the bound', () => {
    const { tail } = givenTail(0);
    publish(tail, 1, KEPT);
    expect(tail.read(0, 0, 10)).toMatchObject({ kind: 'events' });
    publish(tail, KEPT + 1, 500);
    expect(tail.read(0, 0, 10)).toEqual({ kind: 'elsewhere', upTo: 10 });
    const kept = tail.read(0, 500, 10 * KEPT);
    expect(kept.kind === 'events' ? kept.events.length : 0).toBe(KEPT);
  });

  test('what all readers have passed is given up, in lots', () => {
    const { tail, pass } = givenTail(0);
    publish(tail, 1, 200);
    pass(150);
    publish(tail, 201, 1);
    expect(tail.read(0, 149, 1).kind).toBe('elsewhere');
    expect(tail.read(0, 150, 1)).toEqual({ kind: 'events', events: [eventAt(151)] });
    pass(150 + LOT - 1);
    publish(tail, 202, 1);
    expect(tail.read(0, 150, 1).kind).toBe('events');
  });

  test.each<[what: string, data: LogEvent['data']]>([
    ['a long text', { message: 'x'.repeat(30_000) }],
    ['a long list', { postings: Array.from({ length: 500 }, (_, amount) => ({ amount })) }],
  ])('of events that have %s fewer are kept, the newest', (_what, data) => {
    const { tail } = givenTail(0);
    const events = eventsFrom(1, 500).map((event) => ({ ...event, data }));
    for (const event of events) tail.publish([{ topic: TOPIC, partition: 0, events: [event] }]);
    expect(tail.read(0, 0, 10)).toEqual({ kind: 'elsewhere', upTo: 10 });
    expect(tail.read(0, 400, 10).kind).toBe('elsewhere');
    expect(tail.read(0, 450, 50)).toEqual({ kind: 'events', events: events.slice(450) });
  });

  test('where nobody of this process reads, nothing is kept', () => {
    const { tail } = givenTail(undefined);
    publish(tail, 1, LOT);
    expect(tail.read(0, 0, 100).kind).toBe('elsewhere');
    expect(tail.head(0)).toBe(LOT);
  });

  test('commits that cannot join what is there are not hoarded', () => {
    const { tail } = givenTail(0);
    // Somebody else committed position 1, and this process hears only of its own, later ones.
    for (const first of range(0, 500)) publish(tail, 2 + first * 2, 1);
    tail.fill(0, eventsFrom(1, 1));
    const read = tail.read(0, 1, 10_000);
    expect(read.kind === 'events' ? read.events.length : 0).toBeLessThan(70);
  });
});

test('every change of a head wakes the readers, and a head that is known already wakes nobody', () => {
  const tail = new TopicTail(TOPIC, [5]);
  const woken = vi.fn<() => void>();
  const unsubscribe = tail.onGrowth(woken);
  tail.noteHead(0, 5);
  tail.noteHead(0, 4);
  expect(woken).not.toHaveBeenCalled();
  tail.noteHead(0, 6);
  tail.publish([{ topic: TOPIC, partition: 0, events: eventsFrom(7, 1) }]);
  expect(woken).toHaveBeenCalledTimes(2);
  unsubscribe();
  tail.noteHead(0, 9);
  expect(woken).toHaveBeenCalledTimes(2);
});

test('partitions do not mix', () => {
  const tail = new TopicTail(TOPIC, [0, 0]);
  const reader = tail.addReader();
  reader.passed.fill(0);
  tail.publish([
    { topic: TOPIC, partition: 0, events: [eventAt(1, 0)] },
    { topic: TOPIC, partition: 1, events: [eventAt(1, 1), eventAt(2, 1)] },
  ]);
  expect([tail.head(0), tail.head(1)]).toEqual([1, 2]);
  expect(tail.read(1, 0, 10)).toEqual({ kind: 'events', events: [eventAt(1, 1), eventAt(2, 1)] });
});

test('the newest event that was entered is known, also when it was given up, or came before those that precede it', () => {
  const tail = new TopicTail(TOPIC, [0, 0]);
  expect(tail.newest()).toEqual([]);
  tail.publish([{ topic: TOPIC, partition: 0, events: eventsFrom(1, 40) }]);
  tail.noteHead(0, 50);
  tail.fill(0, eventsFrom(3, 2));
  expect(tail.newest()).toEqual([eventAt(40)]);
  tail.publish([{ topic: TOPIC, partition: 0, events: eventsFrom(60, 1) }]);
  expect(tail.newest()).toEqual([eventAt(60)]);
});
