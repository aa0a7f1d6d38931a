/** Standard Webhooks 1.0.0 (STANDARDS §7), the receiver's side: symmetric signatures, version `v1`. Pure. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';

/** An older one may be a repetition by somebody who has overheard it. */
const TOLERANCE_MS = 5 * 60_000;
/** Of a sender that changes its secret, which signs by both for a while; more is nobody's need and our work. */
const SIGNATURES_MAX = 10;

export interface SignedMessage {
  readonly id: string | undefined;
  /** Seconds since the epoch, as text. */
  readonly timestamp: string | undefined;
  /** One or several, separated by spaces: `v1,<base64>`. */
  readonly signature: string | undefined;
  /** The very bytes that arrived. */
  readonly body: Buffer;
}

/** Whether the message was signed with the secret, `whsec_` and base64, not too long ago, nor ahead. */
export function isAuthentic(message: SignedMessage, secret: string, now: EpochMs): boolean {
  const { id, timestamp, signature, body } = message;
  if (id === undefined || id === '' || timestamp === undefined || signature === undefined) return false;
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp) * 1000) > TOLERANCE_MS) return false;
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  return signature
    .split(' ')
    .slice(0, SIGNATURES_MAX)
    .some((each) => isSignature(each, expected));
}

function isSignature(text: string, expected: Buffer): boolean {
  if (!text.startsWith('v1,')) return false;
  const given = Buffer.from(text.slice('v1,'.length), 'base64');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
