/**
 * Checks a receipt with nothing of Lastro: docs/proof.md says in words what this does, step by step.
 *
 *     node docs/check-receipt.mjs RECEIPT KEYS       KEYS is a copy of /.well-known/lastro-keys that you trust
 *
 * Ends with 0 if it is proved, and with 1 and what is wrong if not.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [receipt, keys] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')));

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const digest = (hex) => (demand(/^[0-9a-f]{64}$/.test(hex), `${hex} is no digest`), Buffer.from(hex, 'hex'));

function demand(holds, otherwise) {
  if (holds) return;
  console.error(`NOT PROVED: ${otherwise}`);
  process.exit(1);
}

/** Each column behind its length; null is a length of its own. */
function leaf(...columns) {
  const laidOut = columns.flatMap((column) => {
    const length = Buffer.alloc(4, 0xff);
    if (column === null) return [length];
    const bytes = Buffer.isBuffer(column) ? column : Buffer.from(String(column));
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return sha256(Buffer.of(0), ...laidOut);
}

/** RFC 9162 §2.1.3.2: whether the leaf is number `index` of `size` under the root. */
function isUnder(root, { node, index, size, path }) {
  demand(Number.isSafeInteger(index) && index >= 0 && index < size, `there is no leaf ${index} of ${size}`);
  let last = size - 1;
  for (const sibling of path.map(digest)) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      node = sha256(Buffer.of(1), sibling, node);
      for (; index % 2 === 0 && index > 0; last = Math.floor(last / 2)) index /= 2;
    } else {
      node = sha256(Buffer.of(1), node, sibling);
    }
    index = Math.floor(index / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && node.equals(digest(root));
}

const { detail = 'it has no checkpoints or no events' } = receipt;
demand(receipt.checkpoints && receipt.events, `this is no receipt: ${detail}`); // a refusal of the API says why
demand(keys.keys, 'these are no keys: they are what /.well-known/lastro-keys says');

// 1. Each checkpoint is signed by a key that was given, and each log stands under its root.
const logs = new Map();
for (const { body, signature, logs: listed } of receipt.checkpoints) {
  const { number, kid, logs: size, logs_root, format } = JSON.parse(body);
  demand(format === 'lastro.checkpoint.v1', `a checkpoint has the format ${format}`);
  const jwk = keys.keys.find((key) => key.kid === kid);
  demand(jwk, `checkpoint ${number} names the key ${kid}, which was not given`);
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  demand(
    verify(null, Buffer.from(body), key, Buffer.from(signature, 'hex')),
    `checkpoint ${number} is not signed by ${kid}`,
  );
  for (const log of listed) {
    const { topic, partition, from, position, chain, verified, batches, root, index, path } = log;
    const node = leaf(
      'log',
      topic,
      partition,
      from,
      position,
      digest(chain),
      verified,
      batches,
      digest(root),
    );
    const place = `${topic}/${partition}`;
    demand(
      isUnder(logs_root, { node, index, size, path }),
      `checkpoint ${number} does not cover ${place} so`,
    );
    logs.set(`${number} ${place}`, log);
  }
}

// 2. Each event stands in its batch, and its batch in what the checkpoint covers.
const subject = receipt.payment_id ?? receipt.refund_id;
const places = new Set();
for (const event of receipt.events) {
  const { topic, partition, position, batch, checkpoint } = event;
  const place = `${topic}/${partition}/${position}`;
  demand(!places.has(place), `${place} is there twice`);
  places.add(place);
  demand(event.subject === subject, `${place} is about ${event.subject}`);
  const log = logs.get(`${checkpoint} ${topic}/${partition}`);
  demand(log, `${place} stands on a checkpoint that is not there`);
  const occurredAt = Date.parse(event.occurred_at);
  demand(event.occurred_at === new Date(occurredAt).toISOString(), `${place} has no instant`);
  const node = leaf(
    event.type,
    event.version,
    event.subject,
    event.tenant,
    event.key,
    sha256(Buffer.from(event.data)),
    occurredAt,
    event.correlation_id,
    event.causation,
    event.traceparent,
  );
  const index = position - batch.first;
  demand(isUnder(batch.root, { node, index, size: batch.count, path: event.path }), `${place} was altered`);
  demand(
    log.from < batch.first && batch.first + batch.count - 1 <= log.position,
    `${place} lies outside of its checkpoint`,
  );
  const inStretch = {
    node: leaf('batch', batch.first, batch.count, digest(batch.root), digest(batch.chain)),
    index: event.batch_index,
    size: log.batches,
    path: event.batch_path,
  };
  demand(isUnder(log.root, inStretch), `the batch of ${place} is not in its checkpoint`);
}

// 3. No cause is left out, and the request that began it is there.
for (const { causation } of receipt.events)
  demand(!causation.includes('/') || places.has(causation), `${causation} is a cause, and is not there`);
const beginning = receipt.payment_id ? 'payment.requested' : 'refund.requested';
demand(receipt.events.filter(({ type }) => type === beginning).length === 1, `it has not one ${beginning}`);

console.log(`PROVED: ${receipt.events.length} events of ${subject}`);
