/**
 * An API key as its owner holds it: `lk_<id>_<secret>`. The id is public, it finds the row; the secret is 256 random
 * bits. Neither part has an underscore. Of the whole text only the SHA-256 is stored: with that much randomness a slow
 * hash would protect nothing, and it would be paid on every request.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type ApiKeyId, isId, newId } from '#kernel/ids.ts';

const PREFIX = 'lk_';
const SECRET_BYTES = 32;
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^43 > 2^256. */
const SECRET_LENGTH = 43;
const KEY_ID_PREFIX = 'key_';
/** Of a TypeID without its prefix. */
const ID_LENGTH = 26;
const ID_END = PREFIX.length + ID_LENGTH;
const KEY_LENGTH = ID_END + 1 + SECRET_LENGTH;

/** The text itself: shown to its owner once, at its making, and kept nowhere. */
export type ApiKey = string;

export interface NewApiKey {
  readonly id: ApiKeyId;
  readonly key: ApiKey;
  readonly hash: Buffer;
}

export function mintApiKey(): NewApiKey {
  const id = newId('key');
  const key = `${PREFIX}${id.slice(KEY_ID_PREFIX.length)}_${base62(randomBytes(SECRET_BYTES))}`;
  return { id, key, hash: hashOf(key) };
}

/** The id that a text claims, undefined if it is no key of ours at all: then nobody needs to be asked. */
export function claimedId(text: string): ApiKeyId | undefined {
  if (text.length !== KEY_LENGTH || !text.startsWith(PREFIX) || text[ID_END] !== '_') return undefined;
  const id = KEY_ID_PREFIX + text.slice(PREFIX.length, ID_END);
  return isId('key', id) ? id : undefined;
}

/** Whether a text is the key of which this is the hash, in a time that does not depend on how much of it is right. */
export function isKeyOf(text: string, stored: Buffer): boolean {
  return timingSafeEqual(hashOf(text), stored);
}

function hashOf(key: ApiKey): Buffer {
  return hash('sha256', key, 'buffer');
}

function base62(bytes: Buffer): string {
  let rest = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (let digit = 0; digit < SECRET_LENGTH; digit += 1) {
    text = BASE62.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return text;
}
