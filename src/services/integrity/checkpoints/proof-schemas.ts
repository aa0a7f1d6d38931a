/** What an auditor is given, as the API document describes it. `src/proof/receipt-document.ts` has what a verifier takes. */
import { Type } from 'typebox';
import { Instant, nullable } from '#platform/http/schemas.ts';

const Digest = Type.String({ description: 'SHA-256, in hexadecimal.' });
const Path = Type.Array(Digest, { description: 'The Merkle path, from the leaf to the root.' });
const Signature = Type.String({ description: 'Ed25519 over the bytes of `body`, in hexadecimal.' });
const Body = Type.String({ description: 'What is signed, byte for byte: RFC 8785 JSON in UTF-8.' });

const standingMembers = {
  topic: Type.String(),
  partition: Type.Integer(),
  from: Type.Integer({ description: 'The position that the checkpoint before reached.' }),
  position: Type.Integer({ description: 'Up to which it covers this partition.' }),
  chain: Digest,
  verified: Type.Integer({ description: 'The position up to which the integrity service had judged it.' }),
  batches: Type.Integer({ description: 'How many lie between the two positions.' }),
  root: Type.String({ description: 'The Merkle root over these batches, in hexadecimal.' }),
};

export const checkpointMembers = { number: Type.Integer(), body: Body, signature: Signature };

export const CheckpointDocument = Type.Object({
  ...checkpointMembers,
  logs: Type.Array(Type.Object(standingMembers), {
    description: 'Where each partition of each log stood: the leaves under `logs_root`, in order.',
  }),
});

const ReceiptEvent = Type.Object({
  topic: Type.String(),
  partition: Type.Integer(),
  position: Type.Integer(),
  type: Type.String(),
  version: Type.Integer(),
  subject: Type.String(),
  tenant: Type.String(),
  key: Type.String(),
  data: Type.String({ description: 'The JSON that was hashed, byte for byte.' }),
  occurred_at: Instant,
  correlation_id: Type.String(),
  causation: Type.String(),
  traceparent: nullable(Type.String()),
  batch: Type.Object({ first: Type.Integer(), count: Type.Integer(), root: Digest, chain: Digest }),
  path: Path,
  checkpoint: Type.Integer({ description: 'The number of the one that covers it.' }),
  batch_index: Type.Integer({ description: 'Of its batch among those of the checkpoint, from 0.' }),
  batch_path: Path,
});

const ReceiptCheckpoint = Type.Object({
  body: Body,
  signature: Signature,
  logs: Type.Array(
    Type.Object({
      ...standingMembers,
      index: Type.Integer({ description: 'Among the leaves under `logs_root`.' }),
      path: Path,
    }),
  ),
});

/** `idMember` names what it is about. */
export function receiptDocument(idMember: 'payment_id' | 'refund_id') {
  return Type.Object({
    format: Type.Literal('lastro.receipt.v1'),
    [idMember]: Type.String(),
    events: Type.Array(ReceiptEvent, { description: 'In causal order.' }),
    checkpoints: Type.Array(ReceiptCheckpoint, { description: 'Those that the events stand under.' }),
  });
}

export const KeySet = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.Literal('OKP'),
      crv: Type.Literal('Ed25519'),
      x: Type.String({ description: 'The public key, base64url.' }),
      kid: Type.String({ description: 'Its thumbprint (RFC 7638): the `kid` of a checkpoint’s body.' }),
      alg: Type.Literal('EdDSA'),
      use: Type.Literal('sig'),
    }),
  ),
});
