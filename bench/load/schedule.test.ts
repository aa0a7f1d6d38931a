import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OpenSchedule } from './schedule.ts';

describe('OpenSchedule', () => {
  it('spreads the requests evenly from the first moment', () => {
    const schedule = new OpenSchedule({ ratePerSecond: 2000, durationMs: 1000 });
    expect(schedule.total).toBe(2000);
    expect([0, 1, 2, 2000].map((index) => schedule.intendedAtMs(index))).toEqual([0, 0.5, 1, 1000]);
  });

  it('owes no request before its time and none after it is over', () => {
    const schedule = new OpenSchedule({ ratePerSecond: 1000, durationMs: 5 });
    expect([0, 0.9, 1, 4.9, 60_000].map((elapsedMs) => schedule.dueBy(elapsedMs))).toEqual([1, 1, 2, 5, 5]);
  });

  it('owes every request at the time it was intended for, at any rate', () => {
    const rates = fc.integer({ min: 1, max: 50_000 });
    fc.assert(
      fc.property(rates, fc.integer({ min: 0, max: 100_000 }), (ratePerSecond, index) => {
        const schedule = new OpenSchedule({ ratePerSecond, durationMs: 1e9 });
        // Half a microsecond: an index and its time do not always divide exactly.
        const dueAfter = schedule.dueBy(schedule.intendedAtMs(index) + 0.0005);
        expect(dueAfter).toBeGreaterThan(index);
        expect(schedule.dueBy(schedule.intendedAtMs(index) - 0.0005)).toBeLessThanOrEqual(index + 1);
      }),
    );
  });
});
