/** Public keys that checkpoints may be signed with, by their names. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { ed25519Thumbprint } from '#kernel/jwk-thumbprint.ts';
import { NOT_JSON, parseEvidence } from './evidence-json.ts';

/** By kid: the thumbprint, made here, so that no key can be passed off under another's name. */
export type PublicKeys = ReadonlyMap<string, KeyObject>;

const PEM_BLOCK = /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g;

/** A JWK Set, a JWK, or PEM, one key or several; of a private PEM, the public one. Keys of other kinds are passed over; none left is an error. */
export function parsePublicKeys(text: string): PublicKeys {
  const keys = text.match(PEM_BLOCK)?.map((block) => createPublicKey(block)) ?? fromJson(text);
  const named = keys.filter(({ asymmetricKeyType }) => asymmetricKeyType === 'ed25519');
  if (named.length === 0) throw new Error('there is no Ed25519 public key in it');
  return new Map(named.map((key) => [kidOf(key), key]));
}

/** `publicKey`: 32 bytes. */
export function publicKeyOf(publicKey: Buffer): KeyObject {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') };
  return createPublicKey({ key: jwk, format: 'jwk' });
}

export function thumbprintOf(publicKey: Buffer): string {
  return ed25519Thumbprint(publicKey.toString('base64url'));
}

function fromJson(text: string): KeyObject[] {
  const evidence = parseEvidence(text);
  if (!evidence.ok)
    throw new Error(evidence.fault === NOT_JSON ? 'it is neither JSON nor PEM' : evidence.fault);
  const { keys } = (evidence.value ?? {}) as { keys?: unknown };
  const jwks: unknown[] = Array.isArray(keys) ? keys : [evidence.value];
  return jwks.flatMap((jwk) => {
    const { crv, x } = (jwk ?? {}) as { crv?: unknown; x?: unknown };
    return crv === 'Ed25519' && typeof x === 'string' ? [publicKeyOf(Buffer.from(x, 'base64url'))] : [];
  });
}

function kidOf(key: KeyObject): string {
  return ed25519Thumbprint(String(key.export({ format: 'jwk' }).x));
}
