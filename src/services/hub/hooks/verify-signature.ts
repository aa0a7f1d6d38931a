/** Whether a webhook comes from whom it says (U18, STANDARDS §7, §8). Over the very bytes that arrived. Pure. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import { isStorableText } from '#kernel/text.ts';
import {
  isDigest,
  isSeconds,
  SIGNATURES_MAX,
  signatureVerdict,
  timeVerdict,
} from '#platform/http/webhook-signature.ts';
import type { SignatureScheme } from '../connector.ts';
import type { HookVerdict } from './hook-store.ts';

/** Longer than any sender's; it stands in an index. */
const ID_MAX = 255;
/** In any case (RFC 9110 §11.1). */
const BASIC = /^basic +(\S+)$/i;

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
      const given = BASIC.exec(hook.headers['authorization'] ?? '')?.[1];
      return isSame(given, expected) ? 'valid' : 'invalid';
    }
    case 'api_key':
      return isSame(hook.headers[scheme.header.toLowerCase()], secret) ? 'valid' : 'invalid';
    default:
      return assertNever(scheme);
  }
}

/** The sender's own id of it, by its scheme; nothing if it is none that can be kept. */
export function idOfHook(
  { headers }: SignedHook,
  { scheme }: SignatureScheme,
  idHeader: string | undefined,
): string | undefined {
  const name = idHeader ?? (scheme === 'standard_webhooks' ? 'webhook-id' : undefined);
  const id = name === undefined ? undefined : headers[name.toLowerCase()];
  return id !== undefined && id !== '' && id.length <= ID_MAX && isStorableText(id) ? id : undefined;
}

function standardWebhooks(
  { headers, body }: SignedHook,
  secret: string,
  now: EpochMs | undefined,
): HookVerdict {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = headers;
  return signatureVerdict({ id, timestamp, signature, body }, secret, now);
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
  const at = parts.find(([name]) => name === 't')?.[1];
  if (!isSeconds(at)) return 'invalid';
  const expected = createHmac('sha256', secret).update(`${at}.`).update(body).digest();
  const isSigned = parts.some(([name, value = '']) => name === 'v1' && isDigest(value, 'hex', expected));
  return isSigned ? timeVerdict(at, now) : 'invalid';
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

/** By their hashes, which are of one length. */
function isSame(given: string | undefined, expected: string): boolean {
  if (given === undefined) return false;
  return timingSafeEqual(sha256(given), sha256(expected));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
