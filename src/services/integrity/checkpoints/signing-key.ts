/** The key that signs checkpoints: Ed25519 (RFC 8032), kept as PEM (PKCS #8), published as a JWK (RFC 8037). */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { Fault } from '#kernel/fault.ts';
import { ed25519Thumbprint } from '#kernel/jwk-thumbprint.ts';

export interface SigningKey {
  readonly kid: string;
  /** 32 bytes. */
  readonly publicKey: Buffer;
  sign(bytes: Uint8Array): Buffer;
}

export interface PublicJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly kid: string;
  readonly alg: 'EdDSA';
  readonly use: 'sig';
}

export function generateSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Throws a Fault that does not repeat what it was given. */
export function parseSigningKey(pem: string): SigningKey {
  const key = privateKeyOf(pem);
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  if (key.asymmetricKeyType !== 'ed25519' || x === undefined) throw unusable();
  return {
    kid: ed25519Thumbprint(x),
    publicKey: Buffer.from(x, 'base64url'),
    sign: (bytes) => sign(null, bytes, key),
  };
}

function privateKeyOf(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw unusable(); // the cause could hold a part of the key
  }
}

function unusable(): Fault {
  return new Fault('it is not an Ed25519 private key in PEM (PKCS #8)', { transient: false });
}

export function renderJwk(publicKey: Buffer): PublicJwk {
  const x = publicKey.toString('base64url');
  return { kty: 'OKP', crv: 'Ed25519', x, kid: ed25519Thumbprint(x), alg: 'EdDSA', use: 'sig' };
}
