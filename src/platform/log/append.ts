/**
 * Appending to a topic: the last statement of a transaction before COMMIT (R3). Positions are given by the database,
 * under the lock of the partitions' heads, so any process may append to any partition; hashes are made here, before
 * the lock is taken, because a leaf does not contain its position: the chain binds the batch's root to it.
 */
import { hash } from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';
import { leafHash, merkleRoot } from '#kernel/merkle.ts';
import { partitionOf } from '#kernel/partition-of.ts';
import { byteaArray, int2Array, int4Array, int8Array, textArray } from '../postgres/arrays.ts';
import { batchRows } from '../postgres/batch-rows.ts';
import { statement, type Transaction } from '../postgres/session.ts';
import type { EventDraft, LogEvent } from './event.ts';
import { perTopic } from './per-topic.ts';

/** Events of one transaction for one topic, laid out by partition. */
export interface PreparedAppend {
  readonly topic: string;
  readonly occurredAt: EpochMs;
  /** Ascending by partition; within one, in the order decided. */
  readonly slots: readonly { readonly partition: number; readonly drafts: readonly EventDraft[] }[];
}

/** What was committed, by partition. */
export interface AppendedSegment {
  readonly topic: string;
  readonly partition: number;
  readonly events: readonly LogEvent[];
}

export function prepareAppend(options: {
  topic: string;
  partitions: number;
  occurredAt: EpochMs;
  drafts: readonly EventDraft[];
}): PreparedAppend {
  const byPartition = new Map<number, EventDraft[]>();
  for (const draft of options.drafts) {
    const partition = partitionOf(draft.tenant, draft.key, options.partitions);
    const slot = byPartition.get(partition);
    if (slot === undefined) byPartition.set(partition, [draft]);
    else slot.push(draft);
  }
  const slots = [...byPartition]
    .map(([partition, drafts]) => ({ partition, drafts }))
    .sort((a, b) => a.partition - b.partition);
  return { topic: options.topic, occurredAt: options.occurredAt, slots };
}

/** Sends the append; call it last. The promise gives what was written, to be published once the commit has succeeded. */
export function sendAppend(tx: Transaction, append: PreparedAppend): Promise<AppendedSegment[]> {
  const rows = tx.query<{ firsts: bigint[] }>(appendTo(append.topic), columnsOf(append));
  return tx.derive(rows, ([row]) =>
    append.slots.map((slot, index) => segmentOf(append, slot, Number(row?.firsts[index]))),
  );
}

/** Sends the append of events whose positions are known; the transaction fails as fenced if they would stand elsewhere. */
export function sendAppendAt(tx: Transaction, append: PreparedAppend, firsts: readonly number[]): void {
  tx.run(appendAt(append.topic), [...columnsOf(append), int8Array(firsts)]);
}

const LOCK_HEADS = statement(
  'log.lock_heads',
  `select h.topic, h.partition, h.position
   from ${batchRows('wanted', { topic: 'text', partition: 'smallint' })}
   cross join lateral (
     select * from log.heads h where h.topic = wanted.topic and h.partition = wanted.partition for no key update
   ) h`,
);

export interface LogHead {
  readonly topic: string;
  readonly partition: number;
  /** Last one given. */
  readonly position: number;
}

/** Locks heads until the commit: nobody appends there meanwhile. After everything else that is locked (R3), in its order. */
export async function lockHeads(
  tx: Transaction,
  places: readonly { readonly topic: string; readonly partition: number }[],
): Promise<LogHead[]> {
  const inOrder = places.toSorted((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  );
  const rows = await tx.query<{ topic: string; partition: number; position: bigint }>(LOCK_HEADS, [
    textArray(inOrder.map(({ topic }) => topic)),
    int2Array(inOrder.map(({ partition }) => partition)),
  ]);
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}

/** The parameters of `<topic>.append`. */
function columnsOf(append: PreparedAppend): unknown[] {
  const slots: number[] = [];
  const offsets: number[] = [];
  const types: string[] = [];
  const versions: number[] = [];
  const subjects: string[] = [];
  const tenants: string[] = [];
  const keys: string[] = [];
  const data: string[] = [];
  const correlations: string[] = [];
  const causations: string[] = [];
  const traces: (string | null)[] = [];
  const roots: Uint8Array[] = [];

  append.slots.forEach((slot, index) => {
    const leaves: Uint8Array[] = [];
    slot.drafts.forEach((draft, offset) => {
      const text = JSON.stringify(draft.data);
      slots.push(index + 1);
      offsets.push(offset);
      types.push(draft.type);
      versions.push(draft.version);
      subjects.push(draft.subject);
      tenants.push(draft.tenant);
      keys.push(draft.key);
      data.push(text);
      correlations.push(draft.correlationId);
      causations.push(draft.causation);
      traces.push(draft.traceparent);
      leaves.push(eventLeaf(draft, text, append.occurredAt));
    });
    roots.push(merkleRoot(leaves));
  });

  return [
    int2Array(append.slots.map((slot) => slot.partition)),
    int4Array(append.slots.map((slot) => slot.drafts.length)),
    byteaArray(roots),
    new Date(append.occurredAt),
    int2Array(slots),
    int4Array(offsets),
    textArray(types),
    int2Array(versions),
    textArray(subjects),
    textArray(tenants),
    textArray(keys),
    textArray(data),
    textArray(correlations),
    textArray(causations),
    textArray(traces),
  ];
}

function segmentOf(
  append: PreparedAppend,
  slot: PreparedAppend['slots'][number],
  first: number,
): AppendedSegment {
  const { topic, occurredAt } = append;
  const { partition } = slot;
  const events = slot.drafts.map((draft, offset) => ({
    ...draft,
    topic,
    partition,
    position: first + offset,
    occurredAt,
  }));
  return { topic, partition, events };
}

/**
 * The leaf of an event in its batch's Merkle tree: SHA-256 over the length-prefixed columns, with SHA-256 of `data`
 * in the place of `data`, so that personal data can be erased without breaking the chain (DESIGN §3).
 */
export function eventLeaf(
  event: Omit<EventDraft, 'data'>,
  dataText: string,
  occurredAt: EpochMs,
): Uint8Array {
  return leafHash([
    event.type,
    String(event.version),
    event.subject,
    event.tenant,
    event.key,
    Buffer.from(hash('sha256', dataText, 'binary'), 'binary'),
    String(occurredAt),
    event.correlationId,
    event.causation,
    event.traceparent,
  ]);
}

const APPEND_ARGUMENTS = `$1::smallint[], $2::integer[], $3::bytea[], $4::timestamptz, $5::smallint[], $6::integer[],
   $7::text[], $8::smallint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[]`;

const appendTo = perTopic((topic) =>
  statement(`${topic}.append`, `select "${topic}".append(${APPEND_ARGUMENTS}) as firsts`),
);

const appendAt = perTopic((topic) =>
  statement(
    `${topic}.append_at`,
    `select log.require_firsts("${topic}".append(${APPEND_ARGUMENTS}), $16::bigint[])`,
  ),
);
