import { expect, test } from 'vitest';
import { PassageShares } from './passage-shares.ts';

/** What each owner was told last. */
function shared() {
  let now = 0;
  const owned: Record<string, readonly number[]> = {};
  const owner = (name: string) => ({
    own: (partitions: readonly number[]) => void (owned[name] = partitions),
  });
  const shares = new PassageShares({
    groups: ['first', 'second'],
    stages: new Map(['first', 'second'].map((group) => [group, owner(group)])),
    passage: owner('passage'),
    now: () => now,
  });
  const lease = (first: number[], second: number[]): Record<string, readonly number[]> => {
    shares.own('first', first);
    shares.own('second', second);
    return owned;
  };
  return { shares, lease, at: (ms: number) => (now = ms) };
}

test('the passage has what is owned in every group, the stages what is left', () => {
  const { lease } = shared();
  expect(lease([0, 1, 2], [1, 2, 3])).toEqual({ passage: [1, 2], first: [0], second: [3] });
  expect(lease([0, 1, 2], [])).toEqual({ passage: [], first: [0, 1, 2], second: [] });
});

test('what the passage yields is the stages’ for so long, the first of them stops before the others, and then it comes back', () => {
  const { shares, lease, at } = shared();
  lease([0, 1], [0, 1]);
  shares.yield([1], 4000);
  expect(lease([0, 1], [0, 1])).toEqual({ passage: [0], first: [1], second: [1] });
  at(2499);
  expect(lease([0, 1], [0, 1])).toEqual({ passage: [0], first: [1], second: [1] });
  at(2500);
  expect(lease([0, 1], [0, 1])).toEqual({ passage: [0], first: [], second: [1] });
  at(4000);
  expect(lease([0, 1], [0, 1])).toEqual({ passage: [0, 1], first: [], second: [] });
});

test('what is yielded and then not owned in every group is worked on by every stage that owns it', () => {
  const { shares, lease, at } = shared();
  lease([0], [0]);
  shares.yield([0], 1000);
  at(900);
  expect(lease([0], [])).toEqual({ passage: [], first: [0], second: [] });
});
