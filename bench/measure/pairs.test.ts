import { describe, expect, it } from 'vitest';
import { type Pair, ratioOf, renderSlowing, runPairs } from './pairs.ts';

describe('runPairs', () => {
  it('runs every pair in the other order than the one before, and puts the arms where they belong', async () => {
    const order: string[] = [];
    const pairs = await runPairs(3, async (kind, index) => {
      order.push(`${kind} ${index}`);
      return `${kind} ${index}`;
    });
    expect(order).toEqual(['without 0', 'with 0', 'with 1', 'without 1', 'without 2', 'with 2']);
    expect(pairs).toEqual([
      { first: 'without', without: 'without 0', with: 'with 0' },
      { first: 'with', without: 'without 1', with: 'with 1' },
      { first: 'without', without: 'without 2', with: 'with 2' },
    ]);
  });
});

describe('ratioOf', () => {
  it('compares the arms of each pair and no others', () => {
    // A machine that is twice as fast in the second pair makes no difference.
    const pairs = [pairOf(1000, 960), pairOf(2000, 1900), pairOf(1000, 1010)];
    const ratio = ratioOf(pairs, (perSecond) => perSecond);
    expect(ratio).toEqual({ median: 0.96, least: 0.95, most: 1.01, count: 3 });
  });

  it('leaves out a pair of which an arm has no figure, and says how many are left', () => {
    const pairs = [pairOf(1000, 960), { ...pairOf(0, 960) }, pairOf(1000, 980)];
    expect(ratioOf(pairs, (perSecond) => perSecond)).toMatchObject({ median: 0.97, count: 2 });
    expect(ratioOf(pairs, (perSecond) => (perSecond === 960 ? null : perSecond))).toMatchObject({
      median: 0.98,
      count: 1,
    });
  });

  it('says nothing of no pair', () => {
    expect(ratioOf([], (perSecond: number) => perSecond)).toBeUndefined();
  });
});

describe('renderSlowing', () => {
  it('gives the median and both ends, the fastest first', () => {
    expect(renderSlowing({ median: 0.975, least: 0.96, most: 1.01, count: 5 })).toBe(
      '2.5 % (-1.0 to 4.0, 5 pairs)',
    );
  });
});

function pairOf(without: number, withIt: number): Pair<number> {
  return { first: 'without', without, with: withIt };
}
