/**
 * The leaf of an event as SQL (`kernel/merkle.ts` has the format): hashed where the event lies, 32 bytes come out
 * instead of half a kilobyte, and all cores of the database take part.
 *
 * An array of texts, as it is sent, is its header and then just what a leaf is made of: each length and its bytes, −1 for
 * null. So one call does what would be a dozen conversions and concatenations.
 */
const ARRAY_HEADER_BYTES = 20;

// The instant in milliseconds; a microsecond more gives it decimals, and another leaf.
const OCCURRED_AT = 'trim_scale(extract(epoch from occurred_at) * 1000)::text';

export const LEAF_SQL = `sha256('\\x00'::bytea || ${[
  prefixed('type', 'version::text', 'subject', 'tenant', 'key'),
  // SHA-256 of `data` in the place of `data`: it can be erased without breaking the chain.
  `'\\x00000020'::bytea || sha256(textsend(data))`,
  prefixed(OCCURRED_AT, 'correlation_id', 'causation', 'traceparent'),
].join(' || ')})`;

/** Sent in the client's encoding: UTF-8, as the database's is. */
function prefixed(...texts: readonly string[]): string {
  return `substr(array_send(array[${texts.join(', ')}]), ${ARRAY_HEADER_BYTES + 1})`;
}
