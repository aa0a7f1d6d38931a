/**
 * The leaf of an event as SQL (`kernel/merkle.ts` has the format): hashed where the event lies, 32 bytes come out
 * instead of half a kilobyte, and all cores of the database take part. Measured: 4.0 µs an event there, against 7.7
 * for sending the columns out and hashing them here.
 */
const TEXT_COLUMNS_BEFORE = ['type', 'version::text', 'subject', 'tenant', 'key'];
const TEXT_COLUMNS_AFTER = ['correlation_id', 'causation', 'traceparent'];

// The instant in milliseconds; a microsecond more gives it decimals, and another leaf.
const OCCURRED_AT = 'trim_scale(extract(epoch from occurred_at) * 1000)::text';

export const LEAF_SQL = `sha256('\\x00'::bytea || ${[
  ...TEXT_COLUMNS_BEFORE.map(prefixed),
  // SHA-256 of `data` in the place of `data`: it can be erased without breaking the chain.
  `int4send(32) || sha256(convert_to(data, 'UTF8'))`,
  prefixed(OCCURRED_AT),
  ...TEXT_COLUMNS_AFTER.map(prefixed),
].join(' || ')})`;

function prefixed(column: string): string {
  const bytes = `convert_to(${column}, 'UTF8')`;
  return `coalesce(int4send(octet_length(${bytes})) || ${bytes}, int4send(-1))`;
}
