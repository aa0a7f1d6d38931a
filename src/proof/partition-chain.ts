/** The chain over the batches of a partition, computed from their rows; nothing of this is shared with what wrote them. */
import { hash } from 'node:crypto';

export interface Partition {
  readonly topic: string;
  readonly partition: number;
}

export interface Batch {
  readonly first: number;
  readonly count: number;
  readonly root: Buffer;
  readonly chain: Buffer;
}

export function nameOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}

/** The chain value before the first append: the hash of the partition's name. */
export function genesisOf(partition: Partition): Buffer {
  return hash('sha256', nameOf(partition), 'buffer');
}

/** SHA-256(previous ‖ first as 8 bytes ‖ count as 4 ‖ root), big-endian. */
export function chainOf(previous: Buffer, { first, count, root }: Batch): Buffer {
  const place = Buffer.alloc(12);
  place.writeBigInt64BE(BigInt(first));
  place.writeInt32BE(count, 8);
  return hash('sha256', Buffer.concat([previous, place, root]), 'buffer');
}
