/**
 * Which public keys are published. Whoever can write to the database can put a key there, but not vouch for it: a key counts
 * only if it was given to this process, or if one that counts has signed its name. So the former keys of a former key count,
 * and nobody else's.
 */
import { type KeyObject, verify } from 'node:crypto';
import { canonicalJson } from '#kernel/canonical-json.ts';
import { parsePublicKey, type SigningKey } from './signing-key.ts';

export interface Voucher {
  /** Whom it is for. */
  readonly kid: string;
  /** By whom. */
  readonly by: string;
  readonly signature: Buffer;
}

export interface StoredKeys {
  readonly installation: string;
  readonly publicKeys: readonly Buffer[];
  readonly vouchers: readonly Voucher[];
}

/** The name is the key's thumbprint: it binds the key. */
function voucherBytes(installation: string, kid: string): Buffer {
  return Buffer.from(canonicalJson({ format: 'lastro.key.v1', installation, kid }));
}

/** For itself, and for those that its file says have signed before. */
export function vouchersOf(key: SigningKey, installation: string): Voucher[] {
  return [...key.known.keys()].map((kid) => ({
    kid,
    by: key.kid,
    signature: key.sign(voucherBytes(installation, kid)),
  }));
}

/** The given ones first. */
export function keysThatCount(
  given: ReadonlyMap<string, KeyObject>,
  { installation, publicKeys, vouchers }: StoredKeys,
): ReadonlyMap<string, KeyObject> {
  const stored = new Map(publicKeys.map(parsePublicKey));
  const counting = new Map(given);
  // A map's walk comes to what is added on the way.
  for (const [by, key] of counting)
    for (const voucher of vouchers) {
      const other = stored.get(voucher.kid);
      if (voucher.by !== by || other === undefined || counting.has(voucher.kid)) continue;
      if (verify(null, voucherBytes(installation, voucher.kid), key, voucher.signature))
        counting.set(voucher.kid, other);
    }
  return counting;
}
