import { expect, test } from 'vitest';
import { EVENT_PATTERN, findIdlePattern, matches } from './event-patterns.ts';

test.each<[string, string, boolean]>([
  ['*', 'payment.completed', true],
  ['payment.*', 'payment.completed', true],
  ['payment.*', 'refund.completed', false],
  ['payment.completed', 'payment.completed', true],
  ['payment.completed', 'payment.failed', false],
  ['webhook_endpoint.*', 'webhook_endpoint.disabled', true],
])('%s and %s: %s', (pattern, type, expected) => {
  expect(matches([pattern], type)).toBe(expected);
});

test('a pattern that no event can match is found', () => {
  expect(findIdlePattern(['payment.*', '*', 'card.approved'])).toBeUndefined();
  expect(findIdlePattern(['payment.*', 'payment.flew'])).toBe('payment.flew');
  expect(findIdlePattern(['day.*'])).toBe('day.*');
});

test.each(['payment', 'payment.', '*.completed', 'Payment.*', 'a.b.c', ''])('%j is no pattern', (text) => {
  expect(new RegExp(EVENT_PATTERN).test(text)).toBe(false);
});
