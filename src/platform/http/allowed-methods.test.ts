import { expect, test } from 'vitest';
import { allowedMethods } from './allowed-methods.ts';

const ROUTES = [
  { method: 'GET', template: '/v1/payments' },
  { method: 'POST', template: '/v1/payments' },
  { method: 'GET', template: '/v1/payments/:id' },
  { method: 'POST', template: '/v1/payments/:id/cancel' },
  { method: 'GET', template: '/docs/static/*' },
];

test.each([
  ['/v1/payments', ['GET', 'POST']],
  ['/v1/payments/pay_1', ['GET']],
  ['/v1/payments/pay_1/cancel', ['POST']],
  ['/docs/static/a/b.js', ['GET']],
  ['/v1/payments/', []],
  ['/v1/payments/pay_1/refund', []],
  ['/v1', []],
  ['', []],
])('%s takes %j', (path, methods) => {
  expect(allowedMethods(ROUTES, path)).toEqual(methods);
});
