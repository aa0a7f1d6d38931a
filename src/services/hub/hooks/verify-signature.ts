/** Whether a webhook comes from whom it says (U18, STANDARDS §7, §8). Over the very bytes that arrived. Pure. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import type { SignatureScheme } from '../connector.ts';
import type { HookVerdict } from '../store.ts';

/** An older one may be a repetition by somebody who has overheard it. */
export const TOLERANCE_MS = 5 * 60_000;
/** Of a sender that changes its secret, which signs by both for a while. */
const SIGNATURES_MAX = 10;

export type HookHeaders = Readonly<Record<string, string | undefined>>;

export interface SignedHook {
  /** Names in lower case. */
  readonly headers: HookHeaders;
  readonly body: Buffer;
}

/** `now`: undefined for one that was received before, whose time is over in any case. */
export function verdictOf(
  hook: SignedHook,
  scheme: SignatureScheme,
  { secret, now }: { readonly secret: string; readonly now: EpochMs | undefined },
): HookVerdict {
  switch (scheme.scheme) {
    case 'standard_webhooks':
      return standardWebhooks(hook, secret, now);
    case 'timestamped_hmac':
      return timestampedHmac(hook, { ...scheme, secret }, now);
    case 'hmac':
      return plainHmac(hook, { ...scheme, secret });
    case 'basic': {
      const expected = Buffer.from(`${scheme.username}:${secret}`).toString('base64');
      return isSame(hook.headers['authorization'], `Basic ${expected}`) ? 'valid' : 'invalid';
    }
    case 'api_key':
      return isSame(hook.headers[scheme.header.toLowerCase()], secret) ? 'valid' : 'invalid';
    default:
      return assertNever(scheme);
  }
}

/** The sender's own id of it, by its scheme. */
export function idOfHook(
  { headers }: SignedHook,
  { scheme }: SignatureScheme,
  idHeader: string | undefined,
): string | undefined {
  const name = idHeader ?? (scheme === 'standard_webhooks' ? 'webhook-id' : undefined);
  const id = name === undefined ? undefined : headers[name.toLowerCase()];
  return id === '' ? undefined : id;
}

function standardWebhooks(
  { headers, body }: SignedHook,
  secret: string,
  now: EpochMs | undefined,
): HookVerdict {
  const { 'webhook-id': id = '', 'webhook-timestamp': at = '', 'webhook-signature': given = '' } = headers;
  if (id === '' || !/^\d{1,12}$/.test(at)) return 'invalid';
  const encoded = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret;
  const key = Buffer.from(encoded, 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest();
  const isSigned = given
    .split(' ')
    .slice(0, SIGNATURES_MAX)
    .some((each) => each.startsWith('v1,') && isDigest(each.slice('v1,'.length), 'base64', expected));
  return isSigned ? timely(at, now) : 'invalid';
}

function timestampedHmac(
  { headers, body }: SignedHook,
  { header, secret }: { readonly header: string; readonly secret: string },
  now: EpochMs | undefined,
): HookVerdict {
  const parts = (headers[header.toLowerCase()] ?? '')
    .split(',')
    .slice(0, SIGNATURES_MAX + 1)
    .map((part) => part.trim().split('='));
  const at = parts.find(([name]) => name === 't')?.[1] ?? '';
  if (!/^\d{1,12}$/.test(at)) return 'invalid';
  const expected = createHmac('sha256', secret).update(`${at}.`).update(body).digest();
  const isSigned = parts.some(([name, value = '']) => name === 'v1' && isDigest(value, 'hex', expected));
  return isSigned ? timely(at, now) : 'invalid';
}

function plainHmac(
  { headers, body }: SignedHook,
  scheme: {
    readonly header: string;
    readonly secret: string;
    readonly encoding: 'hex' | 'base64';
    readonly prefix?: string;
  },
): HookVerdict {
  const { header, secret, encoding, prefix = '' } = scheme;
  const given = headers[header.toLowerCase()] ?? '';
  if (!given.startsWith(prefix)) return 'invalid';
  const expected = createHmac('sha256', secret).update(body).digest();
  return isDigest(given.slice(prefix.length), encoding, expected) ? 'valid' : 'invalid';
}

/** Known only to who has signed: told apart from a forgery, so that a person sees clocks that differ. */
function timely(seconds: string, now: EpochMs | undefined): HookVerdict {
  return now === undefined || Math.abs(now - Number(seconds) * 1000) <= TOLERANCE_MS ? 'valid' : 'stale';
}

function isDigest(text: string, encoding: 'hex' | 'base64', expected: Buffer): boolean {
  const given = Buffer.from(text, encoding);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** By their hashes, which are of one length. */
function isSame(given: string | undefined, expected: string): boolean {
  if (given === undefined) return false;
  return timingSafeEqual(sha256(given), sha256(expected));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
