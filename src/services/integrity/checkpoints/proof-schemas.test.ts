import { readFileSync } from 'node:fs';
import { Value } from 'typebox/value';
import { expect, test } from 'vitest';
import { KeySet, receiptDocument } from './proof-schemas.ts';

function given(name: string): object {
  const fixtures = new URL('../../../proof/fixtures/', import.meta.url);
  return JSON.parse(readFileSync(new URL(`${name}.json`, fixtures), 'utf8')) as object;
}

test.each([
  ['receipt', receiptDocument('payment_id')],
  ['keys', KeySet],
])('the API document describes every member of a %s that was given out', (name, schema) => {
  expect(Value.Check(schema, given(name))).toBe(true);
  expect(Value.Clean(schema, given(name))).toEqual(given(name));
});
