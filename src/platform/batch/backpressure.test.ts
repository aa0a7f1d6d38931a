import { expect, test } from 'vitest';
import { Backpressure, LOOKS_PASSED_OVER, type TopicLag } from './backpressure.ts';

const PARTITIONS = 8;
const SOFT = 50;
const HARD = 400;
/** Four eighths of the hard one. */
const PARTITION_BOUND = 200;

function zeros(count: number): number[] {
  return Array.from({ length: count }, () => 0);
}

/** A group reads one topic of eight partitions; a test appends and passes events, and looks. */
class Scene {
  readonly backpressure = new Backpressure({ soft: SOFT, hard: HARD });
  readonly #positions = new Map<string, number[]>();
  readonly #lags = new Map<string, number[]>();

  constructor(...groups: readonly string[]) {
    for (const group of groups) {
      this.#positions.set(group, zeros(PARTITIONS));
      this.#lags.set(group, zeros(PARTITIONS));
    }
    this.look();
  }

  append(partition: number, count: number, group = 'ledger'): this {
    this.#add(this.#lags, { group, partition, count });
    return this;
  }

  pass(partition: number, count: number, group = 'ledger'): this {
    this.#add(this.#lags, { group, partition, count: -count });
    this.#add(this.#positions, { group, partition, count });
    return this;
  }

  look(): this {
    const topics = [...this.#positions].map(
      ([group, positions]): TopicLag => ({
        group,
        topic: 'events',
        positions: [...positions],
        lags: [...(this.#lags.get(group) ?? [])],
      }),
    );
    this.backpressure.see(topics);
    return this;
  }

  /** So many looks, before each of which the group passes an event of the partition that came just then. */
  goOn(partition: number, looks: number, group = 'ledger'): this {
    for (let n = 0; n < looks; n++) this.append(partition, 1, group).pass(partition, 1, group).look();
    return this;
  }

  /** Partitions whose payments are refused. */
  get refused(): number[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => partition).filter((partition) =>
      this.backpressure.refuses(partition),
    );
  }

  #add(
    counts: ReadonlyMap<string, number[]>,
    { group, partition, count }: { group: string; partition: number; count: number },
  ): void {
    const row = counts.get(group);
    if (row === undefined) throw new Error(`no group ${group}`);
    row[partition] = (row[partition] ?? 0) + count;
  }
}

test.each([
  [SOFT - 1, 0],
  [SOFT, 0],
  [SOFT + 1, 2.01],
  [1_000_000, 100],
])('J1: %i events of lag delay by %d ms', (lag, delayMs) => {
  expect(new Scene('ledger').append(0, lag).look().backpressure.delayMs()).toBe(delayMs);
});

test.each([
  [HARD - 1, []],
  [HARD, []],
  [HARD + 1, [0, 1, 2, 3]],
])('J1: %i events of lag over four partitions refuse those of %j', (lag, refused) => {
  const scene = new Scene('validation', 'ledger');
  for (const partition of [0, 1, 2]) scene.append(partition, 100, 'validation');
  expect(scene.append(3, lag - 300).look().refused).toEqual(refused);
});

test.each([
  [PARTITION_BOUND - 1, []],
  [PARTITION_BOUND, []],
  [PARTITION_BOUND + 1, [3]],
])('J3: a partition with %i events, over all its groups, refuses %j', (lag, refused) => {
  const scene = new Scene('validation', 'ledger').append(3, 100, 'validation').append(3, lag - 100);
  expect(scene.look().refused).toEqual(refused);
});

test('J3: the bound of a partition is between the soft and the hard one', () => {
  const lagsOf = (partitions: number, lag: number): TopicLag => ({
    group: 'ledger',
    topic: 'events',
    positions: zeros(partitions),
    lags: [lag, ...zeros(partitions - 1)],
  });
  const refuses = (partitions: number, lag: number) => {
    const backpressure = new Backpressure({ soft: SOFT, hard: HARD });
    backpressure.see([lagsOf(partitions, lag)]);
    return backpressure.refuses(0);
  };
  expect([refuses(256, SOFT), refuses(256, SOFT + 1)]).toEqual([false, true]);
  expect([refuses(2, HARD), refuses(2, HARD + 1)]).toEqual([false, true]);
});

test('J2: a place that its group passes over stops counting, and counts again as soon as it moves', () => {
  const scene = new Scene('ledger').append(0, 150).look();
  expect(scene.backpressure.delayMs()).toBeGreaterThan(0);
  scene.goOn(5, LOOKS_PASSED_OVER - 1);
  expect(scene.backpressure.delayMs()).toBeGreaterThan(0);
  scene.goOn(5, 1);
  expect(scene.backpressure.delayMs()).toBe(0);
  scene.pass(0, 1).look();
  expect(scene.backpressure.delayMs()).toBeGreaterThan(0);
});

test('J2: however many stand alone, the others are neither slowed nor refused, even when all is quiet', () => {
  const scene = new Scene('ledger');
  for (const partition of [0, 1, 2, 3]) scene.append(partition, PARTITION_BOUND + 1);
  scene.goOn(5, LOOKS_PASSED_OVER).look().look();
  scene.append(5, 10).append(6, 10).look();
  expect(scene.refused).toEqual([0, 1, 2, 3]);
  expect(scene.backpressure.delayMs()).toBe(0);
});

test('J2: a group that stands everywhere is counted whole, however long it stands and whoever else goes on', () => {
  const scene = new Scene('validation', 'ledger');
  for (let partition = 0; partition < PARTITIONS; partition++) scene.append(partition, 60);
  scene.goOn(5, 2 * LOOKS_PASSED_OVER, 'validation');
  expect(scene.refused).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('J2: a place that was empty meanwhile has not stood', () => {
  const scene = new Scene('ledger').goOn(5, LOOKS_PASSED_OVER).append(0, 150).look();
  expect(scene.backpressure.delayMs()).toBeGreaterThan(0);
});

test('J4: a partition where nothing waits is let in whatever waits elsewhere', () => {
  const scene = new Scene('ledger');
  for (const partition of [0, 1, 2, 3]) scene.append(partition, 150);
  expect(scene.look().refused).toEqual([0, 1, 2, 3]);
  expect(scene.append(7, 1).look().refused).toEqual([0, 1, 2, 3, 7]);
});
