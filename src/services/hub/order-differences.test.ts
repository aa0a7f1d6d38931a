import { expect, test } from 'vitest';
import { orderDifferences } from './order-differences.ts';

const sent = (message: unknown) => ({
  operation: 'integrations.create',
  connector: 'erp',
  message: JSON.stringify(message),
});
const replayed = (message: string) => ({
  operation: 'integrations.replay',
  integration_id: 'int_1',
  message,
});

test('U1: the order of members makes no other message of it', () => {
  const before = { invoice: 'i-1', lines: [{ sku: 'a', cents: 1250 }] };
  const after = { lines: [{ cents: 1250, sku: 'a' }], invoice: 'i-1' };
  expect(orderDifferences(sent(before), sent(after))).toEqual([]);
  expect(orderDifferences(replayed(JSON.stringify(before)), replayed(JSON.stringify(after)))).toEqual([]);
});

test.each([
  [{ a: 1, b: { c: 2 } }, { a: 1, b: { c: 3 } }, ['/b/c']],
  [{ a: 1 }, { b: 1 }, ['/a', '/b']],
  [[1, 2], [1], ['/1']],
  [7, 'x', ['']],
  [{ a: 1 }, null, ['']],
])('U1: of a new integration %j and %j differ in %j', (before, after, pointers) => {
  expect(orderDifferences(sent(before), sent(after))).toEqual(pointers);
});

test('U1: a message that has a connector is not taken for the connector', () => {
  const before = sent({ connector: 'a', n: 1 });
  const elsewhere = { ...before, connector: 'crm' };
  expect(orderDifferences(before, elsewhere)).toEqual(['/connector']);
  expect(orderDifferences(before, sent({ connector: 'a', n: 2 }))).toEqual(['/n']);
});

test('U1: of a replay the fields are named behind its message', () => {
  expect(orderDifferences(replayed('{"a":1}'), replayed('{"a":2}'))).toEqual(['/message/a']);
  expect(orderDifferences(replayed(''), replayed(''))).toEqual([]);
  expect(orderDifferences(replayed(''), replayed('{"a":2}'))).toEqual(['/message']);
  expect(orderDifferences(replayed('{"a'), replayed('{"a":2}'))).toEqual(['/message']);
});

test('U1: of a connector the fields of its definition are named', () => {
  const put = (url: string) => ({
    operation: 'connectors.put',
    name: 'erp',
    definition: { entry: { type: 'api' }, destinations: { out: { url } } },
  });
  expect(orderDifferences(put('http://a'), put('http://a'))).toEqual([]);
  expect(orderDifferences(put('http://a'), put('http://b'))).toEqual(['/destinations/out/url']);
});

test('U1: orders without a message are compared by what they have', () => {
  const undo = { operation: 'integrations.undo', integration_id: 'int_1', reason: 'wrong' };
  const later = { ...undo, reason: 'late' };
  expect(orderDifferences(undo, undo)).toEqual([]);
  expect(orderDifferences(undo, later)).toEqual(['/reason']);
});
