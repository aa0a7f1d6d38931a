/**
 * A secret as it is stored: AES-256-GCM (NIST SP 800-38D) under a random nonce. Tenant, name and key id are authenticated
 * with it, so that a row that was moved to another name or tenant does not open.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Fault } from '#kernel/fault.ts';
import type { SecretKeys } from './secret-key.ts';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a sealed secret belongs to. */
export interface SecretName {
  readonly tenant: string;
  readonly name: string;
}

export interface Sealed {
  readonly keyId: string;
  readonly nonce: Buffer;
  /** The ciphertext, and the tag behind it. */
  readonly bytes: Buffer;
}

export function seal(keys: SecretKeys, of: SecretName, value: string): Sealed {
  const { id, bytes } = keys.sealing;
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, bytes, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(belongingOf(of, id));
  const sealed = Buffer.concat([cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return { keyId: id, nonce, bytes: sealed };
}

/** Throws a Fault without any of it if no key that there is opens it. */
export function open(keys: SecretKeys, of: SecretName, sealed: Sealed): string {
  const key = keys.byId.get(sealed.keyId);
  if (key === undefined)
    throw new Fault(
      `the secret ${of.name} was sealed with the key ${sealed.keyId}, which is not configured`,
      {
        transient: false,
      },
    );
  try {
    const tagAt = sealed.bytes.length - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, key.bytes, sealed.nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(belongingOf(of, key.id));
    decipher.setAuthTag(sealed.bytes.subarray(tagAt));
    return decipher.update(sealed.bytes.subarray(0, tagAt), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    throw new Fault(`the secret ${of.name} is damaged, or is not what was sealed under its name`, {
      transient: false,
    });
  }
}

/** Neither part has a NUL (R6), so no two belongings are written alike. */
function belongingOf({ tenant, name }: SecretName, keyId: string): Buffer {
  return Buffer.from(`${keyId}\0${tenant}\0${name}`);
}
