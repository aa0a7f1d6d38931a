import { describe, expect, test } from 'vitest';
import { BatchPace } from './batch-pace.ts';

/** Batches one behind the other, each as large as it may be, of a machine that needs so long. */
function settled(msOf: (requests: number) => number): number {
  const pace = new BatchPace(1000);
  const sizes = Array.from({ length: 200 }, () => {
    const { limit } = pace;
    pace.note(limit, msOf(limit));
    return limit;
  });
  const last = sizes.slice(-50);
  return last.reduce((sum, size) => sum + size, 0) / last.length;
}

describe('a deciding batch under load', () => {
  test('is as large as can be done in 35 ms, whatever part of that every batch takes', () => {
    expect(settled((requests) => requests * 0.1)).toBeGreaterThan(250);
    expect(settled((requests) => requests * 0.1)).toBeLessThan(400);
    expect(settled((requests) => 20 + requests * 0.1)).toBeGreaterThan(110);
    expect(settled((requests) => 20 + requests * 0.1)).toBeLessThan(170);
  });

  test('is not made smaller where that does not make it faster', () => {
    expect(settled(() => 200)).toBe(50);
  });

  test('is never larger than the process was told, also where that is less than pays', () => {
    const pace = new BatchPace(20);
    pace.note(20, 200);
    expect(pace.limit).toBe(20);
  });

  test('takes all there is on a machine that can', () => {
    expect(settled(() => 10)).toBe(1000);
  });

  test('is expected to take what the last ones took, up to 35 ms; nothing where few wait', () => {
    const pace = new BatchPace(1000);
    for (let batch = 0; batch < 50; batch += 1) pace.note(100, 20);
    expect(pace.expectedMs(100)).toBeCloseTo(20, 3);
    expect(pace.expectedMs(8)).toBe(0);
    for (let batch = 0; batch < 50; batch += 1) pace.note(100, 900);
    expect(pace.expectedMs(100)).toBe(35);
    expect(pace.limit).toBe(80);
  });
});
