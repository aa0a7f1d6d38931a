import { expect, test } from 'vitest';
import { describeOperation } from './operation-docs.ts';

test('a body that no schema checks is in the document with its media type', () => {
  const operation = describeOperation({}, { open: true, rawBody: '*/*' });
  expect(operation).toMatchObject({ consumes: ['*/*'], body: {} });
});

test('a route without such a body has none there', () => {
  expect(describeOperation({}, { open: true }).body).toBeUndefined();
});
