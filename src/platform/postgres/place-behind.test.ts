import { expect, test } from 'vitest';
import { placeBehind } from './place-behind.ts';

test('a walk goes on behind a full page, and ends with one that has room', () => {
  expect(placeBehind(['a', 'b'], 2)).toBe('b');
  expect(placeBehind(['a', 'b'], 3)).toBeUndefined();
  expect(placeBehind([], 2)).toBeUndefined();
});
