import { expect, test } from 'vitest';
import { KINDS } from './fault-kinds.ts';
import { describeFault, planFaults } from './fault-plan.ts';

test('the same seed plans the same faults, another seed others', () => {
  const plan = (seed: number) => planFaults({ seed, faults: 200, seconds: 60 }).map(describeFault);
  expect(plan(7)).toEqual(plan(7));
  expect(plan(7)).not.toEqual(plan(8));
});

test('a run of as many faults as there are kinds has every kind', () => {
  for (const seed of [1, 2, 3]) {
    const kinds = planFaults({ seed, faults: KINDS.length, seconds: 60 }).map(({ action }) => action.kind);
    expect(kinds.toSorted()).toEqual(KINDS.toSorted());
  }
});

test('faults are in the order of time, within the time, and as many as asked for', () => {
  const plan = planFaults({ seed: 3, faults: 500, seconds: 100 });
  const times = plan.map(({ atMs }) => atMs);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(Math.max(...times)).toBeLessThanOrEqual(100_000);
  expect(plan.map(({ number }) => number)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
});
