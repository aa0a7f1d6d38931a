import fc from 'fast-check';
import { expect, test } from 'vitest';

test('a property whose sequences may be long sees long ones', () => {
  const lengths = fc.sample(fc.array(fc.nat(), { maxLength: 60 }), 100).map(({ length }) => length);
  expect(Math.max(...lengths)).toBeGreaterThan(30);
});
