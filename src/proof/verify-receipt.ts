/**
 * Checks a receipt with nothing but public keys (`lastro verify-receipt`). It believes nothing that the receipt says:
 *
 * Q1: each checkpoint is signed, byte for byte, by a key that was given; all are of one installation.
 * Q2: each event hashes to a leaf that stands in its batch at the index of its position; the batch stands in its stretch,
 *     the stretch in its log, the log in the checkpoint. A Merkle path binds the index, so no event can stand elsewhere.
 * Q3: every event is about the payment or refund that the receipt names, and of one tenant; none is there twice.
 * Q4: every event that one of them names as its cause is there, and so is the request that began it all.
 * Q5: nothing else is in it: no checkpoint and no log that no event stands on.
 *
 * So it proves that these events were in the log when the checkpoint was signed, in these places. It does not prove that
 * there are no more of them: one that is left out shows only if another one followed from it.
 */
import { hash } from 'node:crypto';
import type { EpochMs } from '#kernel/clock.ts';
import { leafHash, verifyMerkleProof } from '#kernel/merkle.ts';
import { type CheckpointClaims, leafOfBatch, leafOfLog, openSeal } from './checkpoint-seal.ts';
import type { PublicKeys } from './public-keys.ts';
import {
  parseReceipt,
  type ReceiptCheckpoint,
  type ReceiptDocument,
  type ReceiptEvent,
  type ReceiptLog,
} from './receipt-document.ts';

export interface ProvedEvent {
  /** `payments/3/1041`. */
  readonly identity: string;
  readonly type: string;
  readonly occurredAt: string;
  readonly checkpoint: number;
  /** Whether the integrity service had judged everything this far when the checkpoint was signed. */
  readonly verified: boolean;
}

export type ReceiptVerdict =
  | {
      readonly ok: true;
      readonly subject: string;
      readonly tenant: string;
      readonly installation: string;
      readonly events: readonly ProvedEvent[];
      readonly checkpoints: readonly { readonly number: number; readonly at: string; readonly kid: string }[];
    }
  | { readonly ok: false; readonly fault: string };

interface OpenedCheckpoint {
  readonly claims: CheckpointClaims;
  /** By `topic/partition`. */
  readonly logs: ReadonlyMap<string, ReceiptLog>;
}

export function verifyReceipt(text: string, keys: PublicKeys): ReceiptVerdict {
  const receipt = parseReceipt(text);
  if (typeof receipt === 'string') return refused(receipt);
  const opened = openCheckpoints(receipt.checkpoints, keys);
  if (typeof opened === 'string') return refused(opened);
  const fault =
    aboutFault(receipt) ??
    firstFault(receipt.events, (event) => eventFault(event, opened)) ??
    causeFault(receipt) ??
    unusedFault(receipt);
  return fault === undefined ? accepted(receipt, opened) : refused(fault);
}

function refused(fault: string): ReceiptVerdict {
  return { ok: false, fault };
}

function firstFault<Item>(
  items: readonly Item[],
  faultOf: (item: Item) => string | undefined,
): string | undefined {
  for (const item of items) {
    const fault = faultOf(item);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Q1 */
function openCheckpoints(
  checkpoints: readonly ReceiptCheckpoint[],
  keys: PublicKeys,
): ReadonlyMap<number, OpenedCheckpoint> | string {
  const opened = new Map<number, OpenedCheckpoint>();
  let installation: string | undefined;
  for (const checkpoint of checkpoints) {
    const signature = Buffer.from(checkpoint.signature, 'hex');
    const seal = openSeal({ body: checkpoint.body, signature }, keys);
    if (!seal.ok) return `a checkpoint proves nothing: ${seal.detail}`;
    const { claims } = seal;
    installation ??= claims.installation;
    if (claims.installation !== installation) return 'its checkpoints are of different installations';
    if (opened.has(claims.number)) return `checkpoint ${claims.number} is there twice`;
    const logs = new Map(checkpoint.logs.map((log) => [placeOf(log), log]));
    if (logs.size < checkpoint.logs.length) return `checkpoint ${claims.number} names a log twice`;
    const fault = firstFault(checkpoint.logs, (log) => logFault(log, claims));
    if (fault !== undefined) return fault;
    opened.set(claims.number, { claims, logs });
  }
  return opened;
}

/** Q2, its last step. */
function logFault(log: ReceiptLog, claims: CheckpointClaims): string | undefined {
  const isIn = verifyMerkleProof({
    leaf: leafOfLog({ ...log, chain: bytes(log.chain), root: bytes(log.root) }),
    index: log.index,
    treeSize: claims.logs,
    proof: log.path.map(bytes),
    root: bytes(claims.logs_root),
  });
  return isIn ? undefined : `checkpoint ${claims.number} does not cover ${placeOf(log)} as the receipt says`;
}

/** Q3 */
function aboutFault({ subject, events }: ReceiptDocument): string | undefined {
  if (new Set(events.map(identityOf)).size < events.length) return 'an event is there twice';
  const foreign = events.find((event) => event.subject !== subject);
  if (foreign !== undefined)
    return `${identityOf(foreign)} is about ${foreign.subject}, not about ${subject}`;
  const tenants = new Set(events.map(({ tenant }) => tenant));
  return tenants.size > 1 ? 'its events are of different tenants' : undefined;
}

/** Q4 */
function causeFault({ beginning, events }: ReceiptDocument): string | undefined {
  const identities = new Set(events.map(identityOf));
  const beginnings = events.filter(({ type }) => type === beginning).length;
  if (beginnings !== 1) return `it has ${beginnings} events ${beginning}, and must have one`;
  const orphan = events.find(({ causation }) => isIdentity(causation) && !identities.has(causation));
  return orphan && `${identityOf(orphan)} followed from ${orphan.causation}, which is not there`;
}

function isIdentity(causation: string): boolean {
  return /^[a-z_]+\/\d+\/\d+$/.test(causation);
}

/** Q2 */
function eventFault(
  event: ReceiptEvent,
  checkpoints: ReadonlyMap<number, OpenedCheckpoint>,
): string | undefined {
  const name = identityOf(event);
  const log = checkpoints.get(event.checkpoint)?.logs.get(placeOf(event));
  if (log === undefined) return `${name}: checkpoint ${event.checkpoint} is not there, or not with its log`;
  const { batch } = event;
  const isInBatch = verifyMerkleProof({
    leaf: leafOfEvent(event),
    index: event.position - batch.first,
    treeSize: batch.count,
    proof: event.path.map(bytes),
    root: bytes(batch.root),
  });
  if (!isInBatch) return `${name} is not what its batch has at this position`;
  if (batch.first <= log.from || batch.first + batch.count - 1 > log.position)
    return `${name}: its batch lies outside of what checkpoint ${event.checkpoint} covers`;
  const isInStretch = verifyMerkleProof({
    leaf: leafOfBatch({ ...batch, root: bytes(batch.root), chain: bytes(batch.chain) }),
    index: event.batch_index,
    treeSize: log.batches,
    proof: event.batch_path.map(bytes),
    root: bytes(log.root),
  });
  return isInStretch ? undefined : `${name}: its batch is not among those of checkpoint ${event.checkpoint}`;
}

/** The columns of an event in their order, `data` by its hash. */
function leafOfEvent(event: ReceiptEvent): Buffer {
  return leafHash([
    event.type,
    String(event.version),
    event.subject,
    event.tenant,
    event.key,
    hash('sha256', event.data, 'buffer'),
    String(instantOf(event.occurred_at)),
    event.correlation_id,
    event.causation,
    event.traceparent,
  ]);
}

/** Q5. Each checkpoint lists a log, and none twice. */
function unusedFault({ events, checkpoints }: ReceiptDocument): string | undefined {
  const used = new Set(events.map((event) => `${event.checkpoint} ${placeOf(event)}`));
  const listed = checkpoints.reduce((sum, { logs }) => sum + logs.length, 0);
  return used.size === listed ? undefined : 'it has checkpoints or logs that prove none of its events';
}

function accepted(
  { subject, events }: ReceiptDocument,
  opened: ReadonlyMap<number, OpenedCheckpoint>,
): ReceiptVerdict {
  const claims = [...opened.values()].map((checkpoint) => checkpoint.claims);
  return {
    ok: true,
    subject,
    tenant: events[0]?.tenant ?? '',
    installation: claims[0]?.installation ?? '',
    events: events.map((event) => ({
      identity: identityOf(event),
      type: event.type,
      occurredAt: event.occurred_at,
      checkpoint: event.checkpoint,
      verified: event.position <= (opened.get(event.checkpoint)?.logs.get(placeOf(event))?.verified ?? 0),
    })),
    checkpoints: claims.map(({ number, at, kid }) => ({ number, at, kid })),
  };
}

function placeOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}/${partition}`;
}

function identityOf(event: ReceiptEvent): string {
  return `${placeOf(event)}/${event.position}`;
}

function instantOf(text: string): EpochMs {
  return Date.parse(text);
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}
