import { describe, expect, it } from 'vitest';
import { backAtRate, type CountedAt, rateOver } from './back-at-rate.ts';

const EXPECTED = { ratePerSecond: 100, share: 0.9, windowMs: 2000 };
const WHOLE = { fromMs: 4000, untilMs: 20_000 };

describe('backAtRate', () => {
  it('is at once when the rate was never missed', () => {
    expect(
      backAtRate(
        counted(() => 100),
        WHOLE,
        EXPECTED,
      ),
    ).toBe(0);
  });

  it('takes what completes a little less for the rate', () => {
    expect(
      backAtRate(
        counted(() => 91),
        WHOLE,
        EXPECTED,
      ),
    ).toBe(0);
    expect(
      backAtRate(
        counted(() => 89),
        WHOLE,
        EXPECTED,
      ),
    ).toBeNull();
  });

  it('is the moment from which every window has the rate', () => {
    // Nothing from 4 s to 7 s: the first window that has 90 % again begins a fifth of a second before it goes on.
    const points = counted((atMs) => (atMs > 4000 && atMs <= 7000 ? 0 : 100));
    expect(backAtRate(points, WHOLE, EXPECTED)).toBe(2800);
  });

  it('is not misled by a burst after which the rate is missed again', () => {
    const points = counted((atMs) => (atMs === 6000 ? 5000 : atMs > 4000 && atMs <= 10_000 ? 0 : 100));
    expect(backAtRate(points, WHOLE, EXPECTED)).toBe(5800);
  });

  it('never comes back when the last window misses it', () => {
    expect(
      backAtRate(
        counted((atMs) => (atMs > 4000 ? 0 : 100)),
        WHOLE,
        EXPECTED,
      ),
    ).toBeNull();
  });

  it('looks at nothing after the end', () => {
    const points = counted((atMs) => (atMs > 12_000 ? 0 : 100));
    expect(backAtRate(points, { fromMs: 4000, untilMs: 12_000 }, EXPECTED)).toBe(0);
  });

  it('says nothing where nothing was looked at', () => {
    expect(backAtRate([], WHOLE, EXPECTED)).toBeNull();
  });
});

describe('rateOver', () => {
  it('is of the span alone', () => {
    const points = counted((atMs) => (atMs > 4000 ? 0 : 100));
    expect(rateOver(points, { fromMs: 2000, untilMs: 4000 })).toBe(100);
    expect(rateOver(points, { fromMs: 2000, untilMs: 6000 })).toBe(50);
  });

  it('is not of a single look', () => {
    expect(
      rateOver(
        counted(() => 100),
        { fromMs: 2000, untilMs: 2050 },
      ),
    ).toBeNull();
  });
});

/** Ten looks a second for 20 s, at a rate that depends on the time. */
function counted(ratePerSecond: (atMs: number) => number): CountedAt[] {
  let count = 0;
  return Array.from({ length: 201 }, (_, look) => {
    const atMs = look * 100;
    if (look > 0) count += ratePerSecond(atMs) / 10;
    return { atMs, count };
  });
}
