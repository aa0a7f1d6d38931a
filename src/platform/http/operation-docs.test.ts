import { expect, test } from 'vitest';
import { describeOperation } from './operation-docs.ts';

test('a body that no schema checks is in the document with its media type', () => {
  const operation = describeOperation({}, { scope: 'cash_entries:write', rawBody: 'text/csv' });
  expect(operation).toMatchObject({ consumes: ['text/csv'], body: { type: 'string' } });
});

test('a route without such a body has none there', () => {
  expect(describeOperation({}, { scope: 'cash_entries:read' }).body).toBeUndefined();
});
