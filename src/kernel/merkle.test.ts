import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantViolation } from './fault.ts';
import {
  type InclusionClaim,
  type LeafColumn,
  leafHash,
  merkleProof,
  merkleRoot,
  verifyMerkleProof,
} from './merkle.ts';

function sha256(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

function leavesOf(size: number): Buffer[] {
  return Array.from({ length: size }, (_, index) => leafHash([`row ${index}`]));
}

/** The definition of RFC 9162 §2.1.1, word for word, as the model. */
function definedRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return sha256();
  if (leaves.length === 1) return only;
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return sha256(Buffer.of(1), definedRoot(leaves.slice(0, split)), definedRoot(leaves.slice(split)));
}

function claimOf(leaves: readonly Buffer[], index: number): InclusionClaim {
  const leaf = leaves[index];
  if (leaf === undefined) throw new RangeError(`no leaf ${index}`);
  return {
    leaf,
    index,
    treeSize: leaves.length,
    proof: merkleProof(leaves, index),
    root: merkleRoot(leaves),
  };
}

function flipBit(digest: Uint8Array, bit: number): Buffer {
  const flipped = Buffer.from(digest);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

/** A tree of 1 to 70 leaves and one of them. */
const claims = fc
  .integer({ min: 1, max: 70 })
  .chain((size) => fc.tuple(fc.constant(size), fc.nat({ max: size - 1 })))
  .map(([size, index]) => claimOf(leavesOf(size), index));

/** A column's length and bytes, or the length that stands for null. */
function laidOut(column: LeafColumn): Uint8Array[] {
  const length = Buffer.alloc(4, 0xff);
  if (column === null) return [length];
  const bytes = typeof column === 'string' ? Buffer.from(column) : column;
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

describe('leafHash', () => {
  // Computed by PostgreSQL 18 with the statement of the file's head.
  test.each([
    ['an empty text', [''], '8855508aade16ec573d21e6a485dfd0a7624085c1a14b5ecdd6485de0c6839a4'],
    ['a null', [null], '4447853d37cddbb1a43a0417efa55ed6929efbd26a954eb6b94ef1216e564fa1'],
    ['two columns', ['a', 'b'], 'a86d33cb3271349c8b971e8d244f141c9195f11a7b8069d1bdbea9477fba2c30'],
    [
      'the same letters in one',
      ['ab', ''],
      '2b4c44e922985017e851065e1f0787c93840bb8900fdf546984087232956d013',
    ],
    ['5000 letters', ['x'.repeat(5000)], 'b4e7b648c4833ec3048f3b5f0dae242cdbb43e45bcaadc1c44c74609889447f5'],
    [
      'a row with a null and letters of one to four bytes',
      [
        'payments',
        '7',
        '42',
        'payment.requested',
        '1',
        'pay_01h455vb4pex5vsknk084sn02q',
        'sandbox',
        null,
        'ção-€-💶',
      ],
      '83e9dbfdf95acf644d8fa297576a6fb7810be1142721782229bfada78a621030',
    ],
    [
      'bytes between text and null',
      ['a', Buffer.from('00ff10', 'hex'), null],
      '983e87e6de719f5fb3edaab3ce7a72747a52ec07e66c46887b49fd7a02e98cf9',
    ],
  ])('%s hashes as in SQL', (_case, columns, digest) => {
    expect(leafHash(columns).toString('hex')).toBe(digest);
  });

  test('whatever letters and lengths its columns have, they are laid out as the file says', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '\u007f', '\u0080', 'ÿ', 'ç', '€', '💶'),
      maxLength: 5,
    });
    const letters = fc.integer({ min: 126, max: 260 }).map((length) => 'x'.repeat(length));
    const column = fc.oneof(text, letters, fc.constant(null), fc.uint8Array({ maxLength: 5 }));
    fc.assert(
      fc.property(fc.array(column, { maxLength: 12 }), (columns) => {
        expect(leafHash(columns)).toEqual(sha256(Buffer.of(0), ...columns.flatMap(laidOut)));
      }),
    );
  });

  test('two rows have one hash only if they are equal', () => {
    const rows = fc.array(fc.option(fc.string({ unit: fc.constantFrom('a', 'b', '\u0001'), maxLength: 3 })), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(rows, rows, (a, b) => {
        expect(leafHash(a).equals(leafHash(b))).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });

  test('a digest is not overwritten by the next', () => {
    const first = leafHash(['first']);
    const copy = Buffer.from(first);
    leafHash(['second']);
    expect(first.equals(copy)).toBe(true);
  });
});

describe('merkleRoot', () => {
  const PUBLISHED_LEAVES = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ];

  // The vectors that implementations of certificate transparency share.
  test.each([
    [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    [1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
    [2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
    [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
    [4, 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'],
    [5, '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4'],
    [6, '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef'],
    [7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'],
    [8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'],
  ])('of the first %i published leaves is the published one', (size, root) => {
    const leaves = PUBLISHED_LEAVES.slice(0, size).map((hex) =>
      sha256(Buffer.of(0), Buffer.from(hex, 'hex')),
    );
    expect(merkleRoot(leaves).toString('hex')).toBe(root);
  });

  test('is the one RFC 9162 defines, for every size from 0 to 130 and for 1000', () => {
    for (const size of [...Array(131).keys(), 1000]) {
      const leaves = leavesOf(size);
      expect(merkleRoot(leaves).equals(definedRoot(leaves)), `${size} leaves`).toBe(true);
    }
  });

  test('leaves the leaves as they were', () => {
    const leaves = leavesOf(5);
    merkleRoot(leaves);
    expect(leaves).toEqual(leavesOf(5));
  });

  test('refuses what is not a digest', () => {
    expect(() => merkleRoot([Buffer.alloc(31)])).toThrow(InvariantViolation);
  });
});

describe('an inclusion proof', () => {
  test('is verified for every leaf of every tree of 1 to 70 leaves, and for no other place in it', () => {
    for (let size = 1; size <= 70; size += 1) {
      const leaves = leavesOf(size);
      for (let index = 0; index < size; index += 1) {
        const claim = claimOf(leaves, index);
        expect(verifyMerkleProof(claim), `leaf ${index} of ${size}`).toBe(true);
        expect(verifyMerkleProof({ ...claim, index: (index + 1) % size })).toBe(size === 1);
      }
    }
  });

  test('fails with one bit flipped, in the leaf, in the root or in any step', () => {
    fc.assert(
      fc.property(claims, fc.nat({ max: 255 }), fc.nat(), (claim, bit, at) => {
        const step = claim.proof.length === 0 ? -1 : at % claim.proof.length;
        const proof = claim.proof.map((digest, i) => (i === step ? flipBit(digest, bit) : digest));
        expect(verifyMerkleProof({ ...claim, leaf: flipBit(claim.leaf, bit) })).toBe(false);
        expect(verifyMerkleProof({ ...claim, root: flipBit(claim.root, bit) })).toBe(false);
        expect(verifyMerkleProof({ ...claim, proof })).toBe(step === -1);
      }),
    );
  });

  test('fails with a step missing or to spare', () => {
    fc.assert(
      fc.property(claims, (claim) => {
        expect(verifyMerkleProof({ ...claim, proof: [...claim.proof, claim.root] })).toBe(false);
        expect(verifyMerkleProof({ ...claim, proof: claim.proof.slice(1) })).toBe(claim.proof.length === 0);
      }),
    );
  });

  test.each([
    ['a negative index', { index: -1 }],
    ['an index behind the end', { index: 5 }],
    ['half an index', { index: 0.5 }],
    ['no number', { index: Number.NaN }],
    ['an empty tree', { index: 0, treeSize: 0 }],
    ['an endless tree', { treeSize: Number.POSITIVE_INFINITY }],
    ['a short leaf', { leaf: Buffer.alloc(31) }],
    ['a long step', { proof: [Buffer.alloc(33)] }],
  ])('with %s is no proof, and no error either', (_case, change) => {
    expect(verifyMerkleProof({ ...claimOf(leavesOf(5), 3), ...change })).toBe(false);
  });

  test('holds in trees of more than 2^32 leaves, where shifts would wrap', () => {
    // A leaf at 2^33 in a tree of 2^33 + 1 is the root's right child.
    const [leaf, left] = [leafHash(['last']), leafHash(['all before'])];
    const root = sha256(Buffer.of(1), left, leaf);
    expect(verifyMerkleProof({ leaf, index: 2 ** 33, treeSize: 2 ** 33 + 1, proof: [left], root })).toBe(
      true,
    );
  });

  test('of a leaf that does not exist is our mistake', () => {
    expect(() => merkleProof(leavesOf(3), 3)).toThrow(InvariantViolation);
  });
});
