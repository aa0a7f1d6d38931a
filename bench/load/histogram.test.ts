import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from './histogram.ts';

describe('Histogram', () => {
  it('has no percentiles before anything is recorded', () => {
    expect(new Histogram().summary()).toEqual({
      count: 0,
      meanMs: null,
      p50Ms: null,
      p99Ms: null,
      p999Ms: null,
      maxMs: null,
    });
  });

  it('keeps the longest duration exactly', () => {
    const histogram = new Histogram();
    for (const durationMs of [0.001, 12.345, 98_765.432]) histogram.record(durationMs);
    expect(histogram.summary()).toMatchObject({ count: 3, maxMs: 98_765.432 });
  });

  it('counts a duration that a clock made negative as none', () => {
    const histogram = new Histogram();
    histogram.record(-1);
    expect(histogram.summary()).toMatchObject({ count: 1, p50Ms: 0, maxMs: 0 });
  });

  it('gives every quantile within 0.8 % above the true one', () => {
    const durations = fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (microseconds, quantile) => {
        const histogram = new Histogram();
        for (const us of microseconds) histogram.record(us / 1000);
        const exact = exactQuantileUs(microseconds, quantile);
        const given = Math.round((histogram.quantileMs(quantile) ?? Number.NaN) * 1000);
        // A millisecond fraction that has no exact double may lose its last microsecond.
        expect(given).toBeGreaterThanOrEqual(exact - 1);
        expect(given).toBeLessThanOrEqual(exact * 1.008);
      }),
    );
  });
});

function exactQuantileUs(microseconds: readonly number[], quantile: number): number {
  const rank = Math.max(1, Math.ceil(quantile * microseconds.length));
  return microseconds.toSorted((a, b) => a - b)[rank - 1] ?? Number.NaN;
}
