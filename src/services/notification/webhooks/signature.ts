/**
 * Standard Webhooks 1.0.0 (STANDARDS §7), the sender's side: `v1`, HMAC-SHA256 by a secret that both know, and `v1a`, Ed25519
 * by a key of which the receiver has the public part only. Pure but for making keys.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';

export type Scheme = 'v1' | 'v1a';

export interface SigningSecret {
  /** `whsec_…` or `whsk_…`, as the specification writes them. */
  readonly secret: string;
  /** Until when it signs beside the one that replaced it; null for the present one. */
  readonly until: EpochMs | null;
}

/** A secret made ready: to make it so for each signature would cost four times the signature (measured: 20 µs for 4). */
export interface SigningKey {
  readonly scheme: Scheme;
  readonly key: KeyObject;
  readonly until: EpochMs | null;
}

export interface Signed {
  readonly id: string;
  readonly body: string;
}

const SECRET_BYTES = 32;
const SEED_BYTES = 32;
/** PKCS #8 of an Ed25519 key (RFC 8410 §7) up to its seed. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

export function newSecret(scheme: Scheme): string {
  if (scheme === 'v1') return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
  const { privateKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-SEED_BYTES);
  return `whsk_${seed.toString('base64')}`;
}

/** What a receiver verifies by: the secret itself, or the public key. */
export function verifierOf(secret: string): string {
  if (secret.startsWith('whsec_')) return secret;
  const der = createPublicKey(privateKeyOf(secret)).export({ type: 'spki', format: 'der' });
  return `whpk_${der.subarray(-SEED_BYTES).toString('base64')}`;
}

export function signingKeyOf({ secret, until }: SigningSecret): SigningKey {
  if (!secret.startsWith('whsec_')) return { scheme: 'v1a', key: privateKeyOf(secret), until };
  const bytes = Buffer.from(secret.slice('whsec_'.length), 'base64');
  return { scheme: 'v1', key: createSecretKey(bytes), until };
}

/** The three headers of one attempt. */
export function signatureHeaders(
  { id, body }: Signed,
  keys: readonly SigningKey[],
  now: EpochMs,
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  const content = `${id}.${timestamp}.${body}`;
  const inForce = keys.filter(({ until }) => until === null || now < until);
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': inForce.map((key) => signatureOf(content, key)).join(' '),
  };
}

function signatureOf(content: string, { scheme, key }: SigningKey): string {
  const signature =
    scheme === 'v1'
      ? createHmac('sha256', key).update(content).digest('base64')
      : sign(null, Buffer.from(content), key).toString('base64');
  return `${scheme},${signature}`;
}

function privateKeyOf(secret: string): KeyObject {
  const seed = Buffer.from(secret.slice('whsk_'.length), 'base64');
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
}
