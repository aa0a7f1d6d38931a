import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { claimedId, isKeyOf, mintApiKey } from './api-key.ts';

test('a key is lk_<id>_<secret>, with 43 characters of secret and no other underscore', () => {
  const { key, id } = mintApiKey();
  expect(key).toMatch(/^lk_[0-9a-z]{26}_[0-9A-Za-z]{43}$/);
  expect(claimedId(key)).toBe(id);
});

test('what is stored is the SHA-256 of the whole key, from which the key cannot be told', () => {
  const { key, hash } = mintApiKey();
  expect(hash).toEqual(createHash('sha256').update(key).digest());
});

test('no two keys share an id or a secret', () => {
  const keys = Array.from({ length: 1_000 }, () => mintApiKey());
  expect(new Set(keys.map((key) => key.id)).size).toBe(1_000);
  expect(new Set(keys.map((key) => key.key.slice(-43))).size).toBe(1_000);
});

test('a key proves itself, and nothing else does', () => {
  const { key, hash } = mintApiKey();
  expect(isKeyOf(key, hash)).toBe(true);
  expect(isKeyOf(`${key}0`, hash)).toBe(false);
  expect(isKeyOf(mintApiKey().key, hash)).toBe(false);
});

test('a change of any one character makes another key', () => {
  const { key, hash } = mintApiKey();
  for (let at = 0; at < key.length; at += 1) {
    const other = key[at] === 'a' ? 'b' : 'a';
    expect(isKeyOf(key.slice(0, at) + other + key.slice(at + 1), hash)).toBe(false);
  }
});

test.each([
  '',
  'lk_',
  'lk__',
  mintApiKey().key.slice(0, -1),
  `${mintApiKey().key}a`,
  mintApiKey().key.replace('lk_', 'pk_'),
  mintApiKey().key.replaceAll('_', '-'),
  `lk_8${'z'.repeat(25)}_${'0'.repeat(43)}`, // more than 128 bits
])('%j is no key and nobody is asked about it', (text) => {
  expect(claimedId(text)).toBeUndefined();
});

test('no text whatever makes reading a key throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
      expect(claimedId(text)).toBeUndefined();
    }),
  );
});
