import { expect, test } from 'vitest';
import { keyTenant } from './key-tenant.ts';

test('in the sandbox a key is the sandbox tenant’s unless somebody else is named', () => {
  expect(keyTenant(undefined, 'sandbox')).toBe('sandbox');
  expect(keyTenant('acme', 'sandbox')).toBe('acme');
});

test('in production somebody has to be named', () => {
  expect(() => keyTenant(undefined, 'production')).toThrow(/--tenant <id>/);
  expect(keyTenant('acme', 'production')).toBe('acme');
});
