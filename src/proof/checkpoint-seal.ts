/**
 * A checkpoint as it is checked: the bytes that were signed, read with distrust, and the leaves under its root. The format
 * stands in `src/services/integrity/checkpoints/checkpoint.ts`; nothing here is shared with it.
 */
import { hash, verify } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { canonicalJson } from '#kernel/canonical-json.ts';
import { leafHash } from '#kernel/merkle.ts';
import type { PublicKeys } from './public-keys.ts';

const CLOSED = { additionalProperties: false } as const;
export const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' });
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const Ordinal = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
export const Instant = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' });

const Claims = Type.Object(
  {
    format: Type.Literal('lastro.checkpoint.v1'),
    installation: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
    number: Ordinal,
    previous: Type.Union([Digest, Type.Null()]),
    at: Instant,
    kid: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
    logs: Count,
    logs_root: Digest,
  },
  CLOSED,
);
export type CheckpointClaims = Static<typeof Claims>;

export type SealKind = 'unreadable' | 'unknown_key' | 'wrong_signature';

export type OpenedSeal =
  | { readonly ok: true; readonly claims: CheckpointClaims }
  | { readonly ok: false; readonly kind: SealKind; readonly detail: string };

/** What the body claims, if a key of these has signed exactly it. */
export function openSeal(
  { body, signature }: { readonly body: string; readonly signature: Uint8Array },
  keys: PublicKeys,
): OpenedSeal {
  const claims = parseClaims(body);
  if (claims === undefined)
    return fault('unreadable', 'it is not the body of a checkpoint in canonical form');
  const key = keys.get(claims.kid);
  if (key === undefined)
    return fault('unknown_key', `it says that the key ${claims.kid} has signed it, which is not known`);
  return verify(null, Buffer.from(body), key, signature)
    ? { ok: true, claims }
    : fault('wrong_signature', `the key ${claims.kid} has not signed this body`);
}

function fault(kind: SealKind, detail: string): OpenedSeal {
  return { ok: false, kind, detail };
}

/** Undefined unless it is closed, canonical (RFC 8785), and its instant exists. */
export function parseClaims(body: string): CheckpointClaims | undefined {
  const value = parseJson(body);
  if (!Value.Check(Claims, value) || !isInstant(value.at)) return undefined;
  return canonicalJson(value) === body ? value : undefined;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no JSON value
  }
}

/** Written as we write it: `2026-02-30T…` is another day in disguise. */
export function isInstant(text: string): boolean {
  const at = Date.parse(text);
  return !Number.isNaN(at) && new Date(at).toISOString() === text;
}

export function bodyHash(body: string): string {
  return hash('sha256', body, 'hex');
}

export interface LogClaim {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly position: number;
  readonly chain: Uint8Array;
  readonly verified: number;
  readonly batches: number;
  readonly root: Uint8Array;
}

export function leafOfLog(log: LogClaim): Buffer {
  const { topic, partition, from, position, chain, verified, batches, root } = log;
  const numbers = [partition, from, position].map(String);
  return leafHash(['log', topic, ...numbers, chain, String(verified), String(batches), root]);
}

export interface BatchClaim {
  readonly first: number;
  readonly count: number;
  readonly root: Uint8Array;
  readonly chain: Uint8Array;
}

export function leafOfBatch({ first, count, root, chain }: BatchClaim): Buffer {
  return leafHash(['batch', String(first), String(count), root, chain]);
}
