import { expect, test } from 'vitest';
import { formatOf } from './row-format.ts';

test.each([
  [undefined, 'json'],
  ['*/*', 'json'],
  ['text/csv', 'csv'],
  ['text/csv;q=0', 'json'],
  ['application/json, text/csv;q=0.5', 'json'],
  ['application/json;q=0.5, text/csv', 'csv'],
  ['application/json, text/csv', 'json'],
  ['text/csv, application/json', 'csv'],
  ['text/csv, */*;q=0.1', 'csv'],
  ['text/csv, */*', 'csv'],
  ['*/*, text/csv', 'csv'],
  ['application/*, text/csv', 'json'],
  ['text/csv;q=0.5, */*', 'json'],
] as const)('what accepts %s is answered in %s', (accept, format) => {
  expect(formatOf(accept)).toBe(format);
});
