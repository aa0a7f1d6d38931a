/**
 * What a checkpoint says, and the bytes that are signed (DESIGN §3).
 *
 * K1: numbers are 1, 2, 3 …; `previous` is the SHA-256 of the body before.
 * K2: `logs_root` is the Merkle root over a leaf for each partition of each log, ordered by topic and partition.
 * K3: a leaf says where the partition stands (position, chain value, how far it was verified), and which batches were
 *     covered last: those after `from` up to `position`, their number, and the Merkle root over them, in order.
 * K4: a stretch begins where the one before it ended, so each batch is in one checkpoint.
 *
 * A body has some 400 bytes however many partitions there are, and a proof of one event needs the siblings on its way:
 * event → batch → stretch → checkpoint.
 */
import { hash } from 'node:crypto';
import { canonicalJson } from '#kernel/canonical-json.ts';
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { DIGEST_BYTES, leafHash, merkleRoot } from '#kernel/merkle.ts';

const CHECKPOINT_FORMAT = 'lastro.checkpoint.v1';

/** Where a partition of a log stands at a checkpoint. */
export interface LogStanding {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly position: number;
  readonly chain: Buffer;
  readonly verified: number;
  readonly batches: number;
  readonly root: Buffer;
}

export interface Batch {
  readonly first: number;
  readonly count: number;
  readonly root: Buffer;
  readonly chain: Buffer;
}

/** K3. The first column keeps the trees apart: no batch can be passed off as a log, nor an event as either. */
export function logLeaf(log: LogStanding): Buffer {
  return leafHash([
    'log',
    log.topic,
    String(log.partition),
    String(log.from),
    String(log.position),
    log.chain,
    String(log.verified),
    String(log.batches),
    log.root,
  ]);
}

export function batchLeaf({ first, count, root, chain }: Batch): Buffer {
  return leafHash(['batch', String(first), String(count), root, chain]);
}

/** The same in SQL, over the columns of a batch (`kernel/merkle.ts` has the format). */
export const BATCH_LEAF_SQL = `sha256('\\x00'::bytea || int4send(5) || 'batch'::bytea
  || int4send(length(first::text)) || convert_to(first::text, 'UTF8')
  || int4send(length(count::text)) || convert_to(count::text, 'UTF8')
  || int4send(32) || root || int4send(32) || chain)`;

export function inLogOrder<Place extends { readonly topic: string; readonly partition: number }>(
  places: readonly Place[],
): Place[] {
  return places.toSorted((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  );
}

/** Leaf hashes that stand one behind the other. */
export function splitDigests(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length / DIGEST_BYTES }, (_, index) =>
    bytes.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES),
  );
}

/** `logs` in their order (K2). */
export function renderCheckpoint(checkpoint: {
  readonly number: number;
  readonly previous: string | null;
  readonly at: EpochMs;
  readonly installation: string;
  readonly kid: string;
  readonly logs: readonly LogStanding[];
}): string {
  const { number, previous, at, installation, kid, logs } = checkpoint;
  return canonicalJson({
    format: CHECKPOINT_FORMAT,
    installation,
    number,
    previous,
    at: toRfc3339(at),
    kid,
    logs: logs.length,
    logs_root: merkleRoot(logs.map(logLeaf)).toString('hex'),
  });
}

export function checkpointHash(body: string): string {
  return hash('sha256', body, 'hex');
}
