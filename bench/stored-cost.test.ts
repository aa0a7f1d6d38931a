import { describe, expect, it } from 'vitest';
import { stretchEnds } from './stored-cost.ts';

describe('stretchEnds', () => {
  it('divides what is to be stored into equal parts of about half a million', () => {
    expect(stretchEnds(15_000, 1_600_000)).toEqual([543_333, 1_071_667, 1_600_000]);
    expect(stretchEnds(10_000, 5_000_000)).toHaveLength(10);
  });

  it('has something to compare however little that is', () => {
    expect(stretchEnds(10_000, 20_000)).toEqual([15_000, 20_000]);
  });

  it('is nothing where so many are there', () => {
    expect(stretchEnds(20_000, 20_000)).toEqual([]);
    expect(stretchEnds(20_000, 15_000)).toEqual([]);
  });
});
