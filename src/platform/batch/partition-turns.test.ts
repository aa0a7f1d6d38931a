import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { PartitionTurns } from './partition-turns.ts';

const ALL = 8;
const everything = Array.from({ length: ALL }, (_, partition) => partition);

test('no partition is with two groups at once, whatever they ask for', () => {
  const asks = fc.array(
    fc.record({
      group: fc.constantFrom('a', 'b', 'c'),
      wanted: fc.shuffledSubarray(everything),
      releases: fc.boolean(),
    }),
  );
  fc.assert(
    fc.property(asks, (taken) => {
      const turns = new PartitionTurns();
      const held = new Map<string, readonly number[]>();
      for (const group of ['a', 'b', 'c']) turns.join(group, () => undefined);
      for (const { group, wanted, releases } of taken) {
        turns.release(group);
        held.set(group, turns.take(group, wanted, ALL));
        const all = [...held.values()].flat();
        expect(new Set(all).size).toBe(all.length);
        if (!releases) continue;
        turns.release(group);
        held.delete(group);
      }
    }),
  );
});

test('a group leaves the others their part, keeps its order, and has at least one', () => {
  const turns = new PartitionTurns();
  turns.join('a', () => undefined);
  turns.join('b', () => undefined);
  expect(turns.take('a', [5, 3, 1, 7, 2], ALL)).toEqual([5, 3, 1, 7]);
  expect(turns.take('b', [1, 2, 3], ALL)).toEqual([2]);
  turns.release('a');
  expect(turns.take('a', [4], 1)).toEqual([4]);
});

test('whoever waits hears when partitions are free again; who had none frees none', () => {
  const turns = new PartitionTurns();
  const [a, b] = [vi.fn<() => void>(), vi.fn<() => void>()];
  turns.join('a', a);
  turns.join('b', b);
  turns.take('a', [1], ALL);
  expect(turns.take('b', [1], ALL)).toEqual([]);
  turns.release('b');
  expect(a).not.toHaveBeenCalled();
  turns.release('a');
  expect([a.mock.calls.length, b.mock.calls.length]).toEqual([0, 1]);
  expect(turns.take('b', [1], ALL)).toEqual([1]);
});
