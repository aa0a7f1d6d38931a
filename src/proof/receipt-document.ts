/** A receipt as a file has it, its shape checked: closed, so that nothing stands in it that is not proved. */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { isId } from '#kernel/ids.ts';
import { Count, Digest, Instant, isInstant, Ordinal } from './checkpoint-seal.ts';
import { parseEvidence } from './evidence-json.ts';

const CLOSED = { additionalProperties: false } as const;
/** A path in a tree of 2^53 leaves. */
const Path = Type.Array(Digest, { maxItems: 53 });
const Text = Type.String({ maxLength: 1_048_576 });
const Topic = Type.String({ pattern: '^[a-z_]{1,63}$' });
const Partition = Type.Integer({ minimum: 0, maximum: 32_767 });

const Event = Type.Object(
  {
    topic: Topic,
    partition: Partition,
    position: Ordinal,
    type: Text,
    version: Ordinal,
    subject: Text,
    tenant: Text,
    key: Text,
    data: Text,
    occurred_at: Instant,
    correlation_id: Text,
    causation: Text,
    traceparent: Type.Union([Text, Type.Null()]),
    batch: Type.Object({ first: Ordinal, count: Ordinal, root: Digest, chain: Digest }, CLOSED),
    path: Path,
    checkpoint: Ordinal,
    batch_index: Count,
    batch_path: Path,
  },
  CLOSED,
);
export type ReceiptEvent = Static<typeof Event>;

const Log = Type.Object(
  {
    topic: Topic,
    partition: Partition,
    from: Count,
    position: Count,
    chain: Digest,
    verified: Count,
    batches: Count,
    root: Digest,
    index: Count,
    path: Path,
  },
  CLOSED,
);
export type ReceiptLog = Static<typeof Log>;

const Checkpoint = Type.Object(
  {
    body: Type.String({ maxLength: 4096 }),
    signature: Type.String({ pattern: '^[0-9a-f]{128}$' }),
    logs: Type.Array(Log, { minItems: 1, maxItems: 100_000 }),
  },
  CLOSED,
);
export type ReceiptCheckpoint = Static<typeof Checkpoint>;

const members = {
  format: Type.Literal('lastro.receipt.v1'),
  events: Type.Array(Event, { minItems: 1, maxItems: 10_000 }),
  checkpoints: Type.Array(Checkpoint, { minItems: 1, maxItems: 10_000 }),
};
const Receipt = Type.Union([
  Type.Object({ ...members, payment_id: Text }, CLOSED),
  Type.Object({ ...members, refund_id: Text }, CLOSED),
]);

export interface ReceiptDocument {
  readonly subject: string;
  /** What a saga of its kind begins with. */
  readonly beginning: 'payment.requested' | 'refund.requested';
  readonly events: readonly ReceiptEvent[];
  readonly checkpoints: readonly ReceiptCheckpoint[];
}

/** What was asked for within the first minute is a refusal, and easily saved as if it were the receipt. */
const Refusal = Type.Object({ code: Type.String({ pattern: '^[a-z_]{1,40}\\.[a-z_]{1,40}$' }) });

function refusalIn(value: unknown): string {
  return Value.Check(Refusal, value) ? `a refusal of the API, ${value.code}, and ` : '';
}

/** The document, or what is wrong with its shape. */
export function parseReceipt(text: string): ReceiptDocument | string {
  const evidence = parseEvidence(text);
  if (!evidence.ok) return evidence.fault;
  const { value } = evidence;
  if (!Value.Check(Receipt, value))
    return `it is ${refusalIn(value)}not a receipt of the format lastro.receipt.v1`;
  const { events, checkpoints } = value;
  const misdated = events.find(({ occurred_at }) => !isInstant(occurred_at));
  if (misdated !== undefined) return `${misdated.occurred_at} is no instant`;
  if ('payment_id' in value)
    return isId('pay', value.payment_id)
      ? { subject: value.payment_id, beginning: 'payment.requested', events, checkpoints }
      : 'its payment_id is not the id of a payment';
  return isId('ref', value.refund_id)
    ? { subject: value.refund_id, beginning: 'refund.requested', events, checkpoints }
    : 'its refund_id is not the id of a refund';
}
