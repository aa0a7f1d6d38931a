import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, differingPointers, MAX_DIFFERING_POINTERS } from './canonical-json.ts';
import { InvariantViolation } from './fault.ts';

const jsonValues = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));

describe('canonicalJson', () => {
  test('is the example of RFC 8785 §3.2.2', () => {
    const input = String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`;
    expect(canonicalJson(JSON.parse(input))).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  test('sorts names by UTF-16 code units, as RFC 8785 §3.2.3 has it', () => {
    const input = String.raw`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`;
    const sorted = Object.values(JSON.parse(canonicalJson(JSON.parse(input))) as object);
    // Integer-like names come first in any JavaScript object, so "1" is read back before "\r".
    expect(sorted).toEqual([4, 2, 6, 7, 1, 5, 3]);
    expect(canonicalJson(JSON.parse(input))).toMatch(/^\{"\\r":2,"1":4,/);
  });

  test.each([
    ['-0', '0'],
    ['1.0', '1'],
    ['1e21', '1e+21'],
    ['1e20', '100000000000000000000'],
    ['9007199254740993', '9007199254740992'],
    ['0.10000000000000000001', '0.1'],
    ['5e-324', '5e-324'],
    ['{"toJSON":1,"__proto__":2}', '{"__proto__":2,"toJSON":1}'],
  ])('%s is %s', (json, canonical) => {
    expect(canonicalJson(JSON.parse(json))).toBe(canonical);
  });

  test.each([
    ['NaN', Number.NaN],
    ['Infinity', [Number.POSITIVE_INFINITY]],
    ['a lone surrogate', { a: '\ud800' }],
    ['a lone surrogate in a name', { '\udc00': 1 }],
    ['a bigint', [1n]],
  ])('%s has no canonical form and throws', (_case, value) => {
    expect(() => canonicalJson(value)).toThrow();
  });

  test('undefined is no JSON value', () => {
    expect(() => canonicalJson(undefined)).toThrow(InvariantViolation);
  });

  test('reads back as the same value, whatever the order of members was', () => {
    fc.assert(
      fc.property(jsonValues, (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
        expect(canonicalJson(withReversedMembers(value))).toBe(text);
      }),
    );
  });
});

describe('differingPointers', () => {
  test.each([
    ['nothing', { a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }, []],
    ['a changed member', { amount: 1230, currency: 'USD' }, { amount: 1231, currency: 'USD' }, ['/amount']],
    ['an added and a removed one', { a: 1, b: 2 }, { b: 2, c: 3 }, ['/a', '/c']],
    ['a deep one', { a: { b: [0, { c: 1 }] } }, { a: { b: [0, { c: 2 }] } }, ['/a/b/1/c']],
    ['a longer array', { a: [1] }, { a: [1, 2, 3] }, ['/a/1', '/a/2']],
    ['an array moved by one', [1, 2, 3], [2, 3], ['/0', '/1', '/2']],
    ['another kind', { a: { b: 1 } }, { a: 1 }, ['/a']],
    ['an object for an array', { a: [] }, { a: {} }, ['/a']],
    ['null for an object', { a: null }, { a: {} }, ['/a']],
    ['null for nothing', { a: null }, {}, ['/a']],
    ['the whole value', 1, 2, ['']],
    ['zero for minus zero', { a: 0 }, { a: -0 }, []],
    ['undefined for absent', { a: undefined }, {}, []],
    ['an empty name', { '': 1 }, { '': 2 }, ['/']],
    ['names with ~ and /', { 'a/b': 1, 'c~d': 1, '~1': 1 }, {}, ['/a~1b', '/c~0d', '/~01']],
    [
      'names of prototypes',
      JSON.parse('{"__proto__":1,"constructor":2}'),
      {},
      ['/__proto__', '/constructor'],
    ],
    ['names that sort across levels', { a: { b: 1 }, 'a-b': 1 }, {}, ['/a', '/a-b']],
  ])('%s', (_case, before: unknown, after: unknown, pointers) => {
    expect(differingPointers(before, after)).toEqual(pointers);
    expect(differingPointers(after, before)).toEqual(pointers);
  });

  test('is empty exactly if the canonical forms are equal (U1)', () => {
    fc.assert(
      fc.property(jsonValues, jsonValues, (a, b) => {
        expect(differingPointers(a, withReversedMembers(a))).toEqual([]);
        expect(differingPointers(a, b).length === 0).toBe(canonicalJson(a) === canonicalJson(b));
      }),
    );
  });

  test('stops at its bound, at the first in canonical order', () => {
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`member-${String(i).padStart(3, '0')}`, i]),
    );
    const pointers = differingPointers(many, {});
    expect(pointers).toHaveLength(MAX_DIFFERING_POINTERS);
    expect(pointers.at(-1)).toBe(`/member-${String(MAX_DIFFERING_POINTERS - 1).padStart(3, '0')}`);
  });

  test('holds its stack on any depth', () => {
    expect(differingPointers(nested(50_000, '1'), nested(50_000, '2'))).toHaveLength(1);
    expect(differingPointers(nested(50_000, '1'), nested(50_000, '1'))).toEqual([]);
  });

  test('holds its stack on any width', () => {
    const wide = Array.from({ length: 200_000 }, (_, index) => index);
    expect(differingPointers(wide, wide.with(199_999, -1))).toEqual(['/199999']);
    expect(differingPointers([], wide).at(-1)).toBe('/9');
  });
});

function nested(depth: number, inside: string): unknown {
  return JSON.parse('['.repeat(depth) + inside + ']'.repeat(depth));
}

function withReversedMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withReversedMembers);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).toReversed();
  return Object.fromEntries(members.map(([name, member]) => [name, withReversedMembers(member)]));
}
