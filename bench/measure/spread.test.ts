import { describe, expect, it } from 'vitest';
import { spreadOf } from './spread.ts';

describe('spreadOf', () => {
  it('is of the value in the middle, whatever the order', () => {
    expect(spreadOf([5, 1, 4, 2, 3])).toEqual({ median: 3, least: 1, most: 5, count: 5 });
  });

  it('is of the mean of the two in the middle of an even number', () => {
    expect(spreadOf([10, 2, 4, 1])).toEqual({ median: 3, least: 1, most: 10, count: 4 });
  });

  it('is of the only one', () => {
    expect(spreadOf([7])).toEqual({ median: 7, least: 7, most: 7, count: 1 });
  });

  it('is not of nothing', () => {
    expect(spreadOf([])).toBeUndefined();
  });
});
