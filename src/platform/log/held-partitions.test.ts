import { expect, test } from 'vitest';
import { HeldPartitions } from './held-partitions.ts';

test('a partition is held from the turn that said so until the lease may have ended', () => {
  let now = 1000;
  const held = new HeldPartitions(() => now);
  expect(held.has(3)).toBe(false);
  held.note([1, 3], 4000);
  expect([held.has(1), held.has(2), held.has(3)]).toEqual([true, false, true]);
  now = 3999;
  expect(held.has(3)).toBe(true);
  now = 4000;
  expect(held.has(3)).toBe(false);
});

test('what a later turn does not name is held no more', () => {
  const held = new HeldPartitions(() => 0);
  held.note([1, 2], 1000);
  held.note([2], 2000);
  expect([held.has(1), held.has(2)]).toEqual([false, true]);
});
