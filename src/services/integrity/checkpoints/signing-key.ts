/** The key that signs checkpoints: Ed25519 (RFC 8032), kept as PEM (PKCS #8), published as a JWK (RFC 8037). */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { Fault } from '#kernel/fault.ts';
import { ed25519Thumbprint } from '#kernel/jwk-thumbprint.ts';

export interface SigningKey {
  readonly kid: string;
  /** 32 bytes. */
  readonly publicKey: Buffer;
  sign(bytes: Uint8Array): Buffer;
  /** Whose signatures count here, by kid: its own, and those that stand behind it in its file. */
  readonly known: ReadonlyMap<string, KeyObject>;
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

const PEM_BLOCK = /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g;

/**
 * The first key of the file signs. Public keys behind it are those that have signed here before.
 * Throws a Fault that does not repeat what it was given.
 */
export function parseSigningKey(pem: string): SigningKey {
  const [own = pem, ...former] = pem.match(PEM_BLOCK) ?? [];
  const key = usable(() => createPrivateKey(own));
  const keys = [key, ...former].map((each) => usable(() => createPublicKey(each)));
  const known = new Map(keys.map((each) => [ed25519Thumbprint(pointOf(each)), each]));
  const x = pointOf(createPublicKey(key));
  return {
    kid: ed25519Thumbprint(x),
    publicKey: Buffer.from(x, 'base64url'),
    sign: (bytes) => sign(null, bytes, key),
    known,
  };
}

/** With its kid; `publicKey`: 32 bytes. */
export function parsePublicKey(publicKey: Buffer): [kid: string, key: KeyObject] {
  const x = publicKey.toString('base64url');
  const jwk = { kty: 'OKP', crv: 'Ed25519', x };
  return [ed25519Thumbprint(x), createPublicKey({ key: jwk, format: 'jwk' })];
}

/** 32 bytes. */
export function bytesOf(key: KeyObject): Buffer {
  return Buffer.from(pointOf(key), 'base64url');
}

function pointOf(key: KeyObject): string {
  const { x } = key.export({ format: 'jwk' });
  if (key.asymmetricKeyType !== 'ed25519' || x === undefined) throw unusable();
  return x;
}

function usable(parse: () => KeyObject): KeyObject {
  try {
    return parse();
  } catch {
    throw unusable(); // the cause could hold a part of the key
  }
}

function unusable(): Fault {
  return new Fault('it is not an Ed25519 private key in PEM (PKCS #8)', { transient: false });
}

export function renderJwk(key: KeyObject): PublicJwk {
  const x = pointOf(key);
  return { kty: 'OKP', crv: 'Ed25519', x, kid: ed25519Thumbprint(x), alg: 'EdDSA', use: 'sig' };
}
