/** A receipt in JSON: its events, each with its paths, and the checkpoints that they lead to. */
import { type EpochMs, toRfc3339 } from '#kernel/clock.ts';
import { merkleProof } from '#kernel/merkle.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { EventRow } from '#platform/log/event-log.ts';
import { type Batch, batchLeaf, type LogStanding, logLeaf } from './checkpoint.ts';
import type { StoredCheckpoint } from './checkpoint-reads.ts';

/** An event as its columns are hashed. */
export interface StoredEvent extends Omit<EventRow, 'position' | 'occurred_at'> {
  readonly topic: string;
  readonly position: number;
  readonly occurredAt: EpochMs;
}

/** A batch, where it lies. */
export interface PlacedBatch extends Batch {
  readonly topic: string;
  readonly partition: number;
}

/** The stretch of a partition that a checkpoint covers. */
export interface Stretch extends LogStanding {
  readonly number: number;
}

/** Leaf hashes by the name of their batch or stretch. */
export type Proofs = ReadonlyMap<string, readonly Buffer[]>;

export function nameOfBatch({
  topic,
  partition,
  first,
}: Pick<PlacedBatch, 'topic' | 'partition' | 'first'>): string {
  return `batch ${topic}/${partition}/${first}`;
}

export function nameOfStretch({
  topic,
  partition,
  number,
}: Pick<Stretch, 'topic' | 'partition' | 'number'>): string {
  return `stretch ${topic}/${partition}/${number}`;
}

export function renderEvent(
  event: StoredEvent,
  { batch, stretch, proofs }: { batch: PlacedBatch; stretch: Stretch; proofs: Proofs },
): JsonObject {
  const events = proofs.get(nameOfBatch(batch)) ?? [];
  const batches = proofs.get(nameOfStretch(stretch)) ?? [];
  const own = batchLeaf(batch);
  const index = batches.findIndex((leaf) => leaf.equals(own));
  return {
    topic: event.topic,
    partition: event.partition,
    position: event.position,
    type: event.type,
    version: event.version,
    subject: event.subject,
    tenant: event.tenant,
    key: event.key,
    data: event.data,
    occurred_at: toRfc3339(event.occurredAt),
    correlation_id: event.correlation_id,
    causation: event.causation,
    traceparent: event.traceparent,
    batch: {
      first: batch.first,
      count: batch.count,
      root: batch.root.toString('hex'),
      chain: batch.chain.toString('hex'),
    },
    path: hexes(merkleProof(events, event.position - batch.first)),
    checkpoint: stretch.number,
    batch_index: index,
    batch_path: hexes(merkleProof(batches, index)),
  };
}

export function renderCheckpointProof(
  checkpoint: StoredCheckpoint | undefined,
  standings: readonly LogStanding[],
  stretches: readonly Stretch[],
): JsonObject {
  const leaves = standings.map(logLeaf);
  return {
    body: checkpoint?.body ?? '',
    signature: checkpoint?.signature.toString('hex') ?? '',
    logs: stretches.map((stretch) => {
      const index = standings.findIndex(
        ({ topic, partition }) => topic === stretch.topic && partition === stretch.partition,
      );
      return { ...renderStanding(stretch), index, path: hexes(merkleProof(leaves, index)) };
    }),
  };
}

export function renderStanding(log: LogStanding): JsonObject {
  return {
    topic: log.topic,
    partition: log.partition,
    from: log.from,
    position: log.position,
    chain: log.chain.toString('hex'),
    verified: log.verified,
    batches: log.batches,
    root: log.root.toString('hex'),
  };
}

function hexes(digests: readonly Uint8Array[]): string[] {
  return digests.map((digest) => Buffer.from(digest).toString('hex'));
}
