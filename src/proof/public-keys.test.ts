import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { parsePublicKeys } from './public-keys.ts';

const { publicKey } = generateKeyPairSync('ed25519');
const PEM = publicKey.export({ format: 'pem', type: 'spki' }).toString();
const JWK = JSON.stringify(publicKey.export({ format: 'jwk' }));

test('a key has the same name as PEM, with words before it, as JWK and in a set', () => {
  const names = [PEM, `of the installation:\n${PEM}`, JWK, ` {"keys":[null,${JWK}]}`].map((text) => [
    ...parsePublicKeys(text).keys(),
  ]);
  expect(new Set(names.map(String)).size).toBe(1);
  expect(names[0]).toHaveLength(1);
});

test.each([
  ['null', /no Ed25519 public key/],
  ['[]', /no Ed25519 public key/],
  ['{"keys":null}', /no Ed25519 public key/],
  ['', /neither JSON nor PEM/],
  ['key', /neither JSON nor PEM/],
  [JWK.replace('{', '{"x":"AAAA",'), /\/x stands twice/],
  [`{"keys":[],"keys":[${JWK}]}`, /\/keys stands twice/],
])('%s is refused in words', (text, fault) => {
  expect(() => parsePublicKeys(text)).toThrow(fault);
});
