/** Versions of what is replaced as a whole, as ETags (RFC 9110 §8.8.3): who replaces one says which. */
import type { OwnHeaders } from './operation-docs.ts';

/** Of an operation that reads a version. */
export const SENDS_VERSION = {
  sent: { ETag: { type: 'string', description: 'The version.' } },
} as const satisfies OwnHeaders;

const NAMES_VERSION = {
  'If-Match': { type: 'string', description: 'The ETag of the version that is replaced; `"0"` of none.' },
} as const;

/** Of an operation that replaces one. */
export const REPLACES_VERSION = { ...SENDS_VERSION, required: NAMES_VERSION } as const satisfies OwnHeaders;

/** Of one that also makes the first, of what has a name: then there is nothing that it could overwrite unseen. */
export const MAY_REPLACE_VERSION = { ...SENDS_VERSION, read: NAMES_VERSION } as const satisfies OwnHeaders;

export function etagOf(version: number): string {
  return `"${version}"`;
}

/** Of a strong ETag of ours in If-Match (§13.1.1); undefined for what no version has. */
export function versionOf(ifMatch: string): number | undefined {
  const [, digits] = /^"(0|[1-9]\d{0,8})"$/.exec(ifMatch.trim()) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
