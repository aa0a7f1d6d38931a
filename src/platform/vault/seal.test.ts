import { describe, expect, test } from 'vitest';
import { open, seal } from './seal.ts';
import { generateSecretKey, parseSecretKeys, requireSecretKeys } from './secret-key.ts';

const OF = { tenant: 'acme', name: 'erp-token' };
const VALUE = 'a very secret välue';

describe('a sealed secret', () => {
  const keys = requireSecretKeys(generateSecretKey());

  test('opens to what was sealed, and is never sealed alike twice', () => {
    const [first, second] = [seal(keys, OF, VALUE), seal(keys, OF, VALUE)];
    expect(open(keys, OF, first)).toBe(VALUE);
    expect(first.nonce.equals(second.nonce)).toBe(false);
    expect(first.bytes.equals(second.bytes)).toBe(false);
    expect(first.bytes.includes(VALUE)).toBe(false);
  });

  test('does not open under another tenant or name, nor with one bit changed', () => {
    const sealed = seal(keys, OF, VALUE);
    const bytes = Buffer.from(sealed.bytes);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    expect(() => open(keys, { ...OF, tenant: 'other' }, sealed)).toThrow(/erp-token is damaged/);
    expect(() => open(keys, { ...OF, name: 'other' }, sealed)).toThrow(/other is damaged/);
    expect(() => open(keys, OF, { ...sealed, bytes })).toThrow(/damaged/);
  });

  test('opens with a key that was replaced, as long as it stands behind the new one', () => {
    const older = generateSecretKey();
    const sealed = seal(requireSecretKeys(older), OF, VALUE);
    const newer = generateSecretKey();
    const both = requireSecretKeys(`${newer}, ${older}`);
    expect(open(both, OF, sealed)).toBe(VALUE);
    expect(seal(both, OF, VALUE).keyId).toBe(both.sealing.id);
    expect(both.sealing.id).not.toBe(sealed.keyId);
    expect(() => open(requireSecretKeys(newer), OF, sealed)).toThrow(/not configured/);
  });
});

test('what is no key of 32 bytes in base64 is refused, and not repeated', () => {
  for (const text of ['', 'short', 'x'.repeat(44), `${generateSecretKey()},`, 'not+a+key']) {
    expect(parseSecretKeys(text)).toBeUndefined();
  }
  expect(() => requireSecretKeys('hunter2')).toThrow(/32 bytes in base64/);
  expect(() => requireSecretKeys('hunter2')).not.toThrow(/hunter2/);
});
