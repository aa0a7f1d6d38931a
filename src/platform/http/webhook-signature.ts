/** Standard Webhooks 1.0.0 (STANDARDS §7), the receiver's side: symmetric signatures, version `v1`. Pure. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';

/** An older one may be a repetition by somebody who has overheard it. */
export const TOLERANCE_MS = 5 * 60_000;
/** Of a sender that changes its secret, which signs by both for a while; more is nobody's need and our work. */
export const SIGNATURES_MAX = 10;

/** Seconds since the epoch, as senders write them. */
const SECONDS = /^\d{1,12}$/;

export interface SignedMessage {
  readonly id: string | undefined;
  /** Seconds since the epoch, as text. */
  readonly timestamp: string | undefined;
  /** One or several, separated by spaces: `v1,<base64>`. */
  readonly signature: string | undefined;
  /** The very bytes that arrived. */
  readonly body: Buffer;
}

/** `stale`: by who it says, and too long ago or ahead. Known only to who has signed, so that a person sees clocks that differ. */
export type SignatureVerdict = 'valid' | 'stale' | 'invalid';

/** Whether the message was signed with the secret, base64 behind `whsec_`, not too long ago, nor ahead. */
export function isAuthentic(message: SignedMessage, secret: string, now: EpochMs): boolean {
  return signatureVerdict(message, secret, now) === 'valid';
}

/** `now`: undefined for one that was received before, whose time is over in any case. */
export function signatureVerdict(
  { id, timestamp, signature, body }: SignedMessage,
  secret: string,
  now: EpochMs | undefined,
): SignatureVerdict {
  // A dot in the id would let what was signed be read as another time and body.
  if (id === undefined || id === '' || id.includes('.')) return 'invalid';
  if (!isSeconds(timestamp) || signature === undefined) return 'invalid';
  const key = Buffer.from(secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret, 'base64');
  if (key.length === 0) return 'invalid'; // what is no base64 would be a key that everybody has
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  const isSigned = signature
    .split(' ')
    .slice(0, SIGNATURES_MAX)
    .some((each) => each.startsWith('v1,') && isDigest(each.slice('v1,'.length), 'base64', expected));
  return isSigned ? timeVerdict(timestamp, now) : 'invalid';
}

export function isSeconds(text: string | undefined): text is string {
  return text !== undefined && SECONDS.test(text);
}

/** Of what is signed: whether its time is ours. */
export function timeVerdict(seconds: string, now: EpochMs | undefined): SignatureVerdict {
  return now === undefined || Math.abs(now - Number(seconds) * 1000) <= TOLERANCE_MS ? 'valid' : 'stale';
}

/**
 * Compared in a time that tells nothing. As text, because a decoder passes over what is none of its alphabet, and over bits that
 * are too many: a signature that was tampered with is none. Hexadecimal in either case, base64 with or without padding.
 */
export function isDigest(text: string, encoding: 'hex' | 'base64', expected: Buffer): boolean {
  const given = Buffer.from(encoding === 'hex' ? text.toLowerCase() : text.replace(/=$/, ''));
  const wanted = Buffer.from(expected.toString(encoding).replace(/=$/, ''));
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
