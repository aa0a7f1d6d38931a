import { crc32 } from 'node:zlib';

/**
 * The partition, 0 to `partitions` − 1, that holds everything of one key: CRC-32 (the polynomial of zlib and
 * gzip) of the UTF-8 bytes of `tenant/key`, modulo the number of partitions. Stable for ever: where an event
 * stands is part of its identity.
 *
 * On PostgreSQL 18: `crc32(convert_to(tenant || '/' || key, 'UTF8')) % partitions`.
 *
 * The arguments stand in the order of the text that is hashed. A slash inside a tenant or a key can only make
 * two keys share a partition, which does no harm. CRC-32 because PostgreSQL has it too and it spreads evenly; it
 * is no defence against a caller who crowds one partition on purpose, who gains nothing by it.
 */
export function partitionOf(tenant: string, key: string, partitions: number): number {
  return crc32(`${tenant}/${key}`) % partitions;
}
