/**
 * The keys that seal secrets: 32 bytes each, written in base64, separated by commas. The first one seals; those behind it
 * still open what they have sealed, so that a key can be changed without a moment at which something is unreadable.
 */
import { createHash, randomBytes } from 'node:crypto';
import { Fault } from '#kernel/fault.ts';

const KEY_BYTES = 32;

export interface SecretKeys {
  readonly sealing: SecretKey;
  /** All of them, by id. */
  readonly byId: ReadonlyMap<string, SecretKey>;
}

export interface SecretKey {
  /** Stands beside what it has sealed, and tells nothing about it. */
  readonly id: string;
  readonly bytes: Buffer;
}

export function generateSecretKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

/** Undefined if it is no key, or a list of them. */
export function parseSecretKeys(text: string): SecretKeys | undefined {
  const keys = text.trim().split(',').map(parseKey);
  const [sealing] = keys;
  if (sealing === undefined || keys.includes(undefined)) return undefined;
  return { sealing, byId: new Map(keys.flatMap((key) => (key === undefined ? [] : [[key.id, key]]))) };
}

/** Throws a Fault that does not repeat what it was given. */
export function requireSecretKeys(text: string): SecretKeys {
  const keys = parseSecretKeys(text);
  if (keys === undefined)
    throw new Fault('it is not a key of 32 bytes in base64, or several separated by commas', {
      transient: false,
    });
  return keys;
}

function parseKey(text: string): SecretKey | undefined {
  const encoded = text.trim();
  const bytes = Buffer.from(encoded, 'base64');
  // Node skips what is not base64: only what comes back the same was a key.
  if (bytes.length !== KEY_BYTES || bytes.toString('base64') !== encoded) return undefined;
  return { id: keyIdOf(bytes), bytes };
}

const KEY_ID_LABEL = 'lastro secret key id';

function keyIdOf(bytes: Buffer): string {
  return createHash('sha256').update(KEY_ID_LABEL).update(bytes).digest('hex').slice(0, 16);
}
