/** Versions of what is replaced as a whole, as ETags (RFC 9110 §8.8.3): who replaces one says which. */

export function etagOf(version: number): string {
  return `"${version}"`;
}

/** Of a strong ETag of ours in If-Match (§13.1.1); undefined for what no version has. */
export function versionOf(ifMatch: string): number | undefined {
  const [, digits] = /^"(0|[1-9]\d{0,8})"$/.exec(ifMatch.trim()) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
