/**
 * The Merkle trees over event logs: RFC 9162 §2.1 (certificate transparency), SHA-256, domain bytes 0x00 for a
 * leaf and 0x01 for a node, so that no node can be passed off as a leaf. Existing verifiers of that RFC can
 * check our proofs.
 *
 * A leaf is a row. Its bytes are its columns in a fixed order, each as a 4-byte big-endian length and the
 * bytes; a null is the length 0xFFFFFFFF alone. So no two rows share their bytes, whatever the columns hold.
 * In SQL, where `c` is a text column (for a bytea column leave out the conversion):
 *
 *     sha256('\x00'::bytea
 *       || coalesce(int4send(octet_length(convert_to(c, 'UTF8'))) || convert_to(c, 'UTF8'), int4send(-1))
 *       || …)
 *
 * Text must be storable (`text.ts`): a lone surrogate has no UTF-8 bytes.
 *
 * A batch hashes up to a thousand leaves before its commit. `crypto.hash` to a binary string is the fastest way
 * to a digest in Node 24: 210 ns for a node, 670 as a Buffer, 950 with createHash. Columns are mostly short ASCII, and a
 * call into the Buffer costs more than its bytes: neighbours are written as one text (1.2 to 1.5 times as fast).
 */
import { hash } from 'node:crypto';
import { invariant } from './fault.ts';

export type LeafColumn = string | Uint8Array | null;

export const DIGEST_BYTES = 32;

const LEAF = 0x00;
const NODE = 0x01;
const LENGTH_BYTES = 4;
const NULL_PREFIX = '\u00ff'.repeat(LENGTH_BYTES);
/** The length prefixes of short columns, a character for a byte. */
const SHORT_PREFIXES = Array.from({ length: 256 }, (_, length) => `\0\0\0${String.fromCharCode(length)}`);
/** Its characters are its bytes. */
const ASCII = /^[\0-\u007f]*$/;
/** UTF-8 takes at most three bytes for each UTF-16 code unit. */
const MAX_UTF8_PER_UNIT = 3;
const EMPTY_ROOT = Buffer.from(hash('sha256', '', 'hex'), 'hex');

let leafBytes = Buffer.alloc(4096, LEAF);
const nodeBytes = Buffer.alloc(1 + 2 * DIGEST_BYTES, NODE);

/** SHA-256(0x00 ‖ length-prefixed columns): 32 bytes. */
export function leafHash(columns: readonly LeafColumn[]): Buffer {
  reserve(maxLeafBytes(columns));
  const end = writeColumns(columns, 1);
  return Buffer.from(hash('sha256', leafBytes.subarray(0, end), 'binary'), 'binary');
}

/** MTH of RFC 9162 §2.1.1 over leaf hashes; no leaves have the hash of nothing as their root. */
export function merkleRoot(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return Buffer.from(EMPTY_ROOT);
  const nodes = bottomLevel(leaves);
  for (let width = leaves.length; width > 1; width = Math.ceil(width / 2)) riseLevel(nodes, width);
  return Buffer.from(nodeAt(nodes, 0));
}

/** The inclusion proof of one leaf (RFC 9162 §2.1.3.1): the siblings from the leaf's up to the root's children. */
export function merkleProof(leaves: readonly Uint8Array[], index: number): Buffer[] {
  invariant(index in leaves, `no leaf ${index} of ${leaves.length}`);
  const proof: Buffer[] = [];
  const nodes = bottomLevel(leaves);
  let position = index;
  for (let width = leaves.length; width > 1; width = Math.ceil(width / 2)) {
    const sibling = position ^ 1;
    if (sibling < width) proof.push(Buffer.from(nodeAt(nodes, sibling)));
    riseLevel(nodes, width);
    position >>= 1;
  }
  return proof;
}

export interface InclusionClaim {
  readonly leaf: Uint8Array;
  /** 0-based. */
  readonly index: number;
  readonly treeSize: number;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** RFC 9162 §2.1.3.2. False for whatever is not a proof, also for indices and digests that cannot be. */
export function verifyMerkleProof(claim: InclusionClaim): boolean {
  const { leaf, index, treeSize, proof, root } = claim;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(treeSize)) return false;
  if (index < 0 || index >= treeSize) return false;
  if (![leaf, root, ...proof].every((digest) => digest.length === DIGEST_BYTES)) return false;
  return rootFrom(leaf, { index, last: treeSize - 1, proof })?.equals(root) ?? false;
}

/** Halving by division: indices may pass 2^32, where shifts wrap. */
function rootFrom(
  leaf: Uint8Array,
  path: { readonly index: number; readonly last: number; readonly proof: readonly Uint8Array[] },
): Buffer | undefined {
  let { index, last } = path;
  let digest: Buffer = Buffer.from(leaf);
  for (const sibling of path.proof) {
    if (last === 0) return undefined;
    if (index % 2 === 1 || index === last) {
      digest = nodeHash({ left: sibling, right: digest });
      // The last node of a level without a partner moves up unchanged, level by level.
      for (; index % 2 === 0 && index !== 0; last = Math.floor(last / 2)) index /= 2;
    } else {
      digest = nodeHash({ left: digest, right: sibling });
    }
    index = Math.floor(index / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? digest : undefined;
}

function nodeHash(children: { readonly left: Uint8Array; readonly right: Uint8Array }): Buffer {
  nodeBytes.set(children.left, 1);
  nodeBytes.set(children.right, 1 + DIGEST_BYTES);
  return Buffer.from(hash('sha256', nodeBytes, 'binary'), 'binary');
}

/**
 * Pairs the nodes of a level in place; a last one without a partner moves up unchanged. That is the RFC's split
 * at the largest power of two below the size, seen from below.
 */
function riseLevel(nodes: Buffer, width: number): void {
  for (let pair = 0; pair < width >> 1; pair += 1) {
    nodes.copy(nodeBytes, 1, pair * 2 * DIGEST_BYTES, (pair + 1) * 2 * DIGEST_BYTES);
    nodes.write(hash('sha256', nodeBytes, 'binary'), pair * DIGEST_BYTES, 'binary');
  }
  if (width % 2 === 1) nodeAt(nodes, width >> 1).set(nodeAt(nodes, width - 1));
}

function bottomLevel(leaves: readonly Uint8Array[]): Buffer {
  const nodes = Buffer.allocUnsafe(leaves.length * DIGEST_BYTES);
  for (const [index, leaf] of leaves.entries()) {
    invariant(leaf.length === DIGEST_BYTES, `a leaf hash has ${DIGEST_BYTES} bytes, not ${leaf.length}`);
    nodes.set(leaf, index * DIGEST_BYTES);
  }
  return nodes;
}

function nodeAt(nodes: Buffer, index: number): Buffer {
  return nodes.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
}

function writeColumns(columns: readonly LeafColumn[], at: number): number {
  let end = at;
  let run = '';
  for (const column of columns) {
    const text = shortText(column);
    if (column !== null && text === undefined) {
      end = writeColumn(column, end + leafBytes.write(run, end, 'latin1'));
      run = '';
    } else {
      run += text ?? NULL_PREFIX;
    }
  }
  return end + leafBytes.write(run, end, 'latin1');
}

function shortText(column: LeafColumn): string | undefined {
  if (typeof column !== 'string') return undefined;
  const prefix = SHORT_PREFIXES[column.length];
  return prefix === undefined || !ASCII.test(column) ? undefined : prefix + column;
}

function writeColumn(column: string | Uint8Array, at: number): number {
  const start = at + LENGTH_BYTES;
  const length = writeContent(column, start);
  leafBytes.writeUInt32BE(length, at);
  return start + length;
}

function writeContent(content: string | Uint8Array, at: number): number {
  if (typeof content === 'string') return leafBytes.write(content, at, 'utf8');
  leafBytes.set(content, at);
  return content.length;
}

function maxLeafBytes(columns: readonly LeafColumn[]): number {
  let total = 1;
  for (const column of columns) total += LENGTH_BYTES + maxContentBytes(column);
  return total;
}

function maxContentBytes(column: LeafColumn): number {
  if (column === null) return 0;
  return typeof column === 'string' ? column.length * MAX_UTF8_PER_UNIT : column.length;
}

function reserve(size: number): void {
  if (size > leafBytes.length) leafBytes = Buffer.alloc(2 * size, LEAF);
}
