import { describe, expect, it } from 'vitest';
import { areClosed, isOpen } from './breakers.ts';

describe('breakers', () => {
  it('are closed when all of them are, and there are some', () => {
    expect(areClosed(new Map([['alfa', 'closed']]))).toBe(true);
    expect(
      areClosed(
        new Map([
          ['alfa', 'closed'],
          ['beta', 'half_open'],
        ]),
      ),
    ).toBe(false);
    expect(areClosed(new Map())).toBe(false);
  });

  it('are not open where the product names no such provider', () => {
    expect(['open', 'half_open', 'closed', undefined].map(isOpen)).toEqual([true, true, false, false]);
  });
});
