import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isStorableJson, isStorableText, MAX_JSON_DEPTH } from './text.ts';

/** Code units from just before the surrogates to just after them, and any other. */
const aroundSurrogates = fc.oneof(fc.nat({ max: 0xffff }), fc.integer({ min: 0xd7f0, max: 0xe00f }));

function nested(depth: number): unknown {
  return JSON.parse('['.repeat(depth) + ']'.repeat(depth));
}

describe('isStorableText', () => {
  test.each(['', 'plain', 'ção', '€', '💶', '\u{10FFFF}', '\u0001', '\uFEFF', '\uFFFD'])(
    '%j is storable (R6)',
    (text) => {
      expect(isStorableText(text)).toBe(true);
    },
  );

  test.each(['\0', 'a\0b', '\uD83D', '\uDCB6', '\uDCB6\uD83D', 'a\uD83Db'])('%j is not (R6)', (text) => {
    expect(isStorableText(text)).toBe(false);
  });

  test('what is storable comes back from UTF-8 as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), aroundSurrogates, (text, unit) => {
        const mixed = text + String.fromCharCode(unit);
        const isSame = Buffer.from(mixed, 'utf8').toString('utf8') === mixed;
        expect(isStorableText(mixed)).toBe(isSame && !mixed.includes('\0'));
      }),
    );
  });
});

describe('isStorableJson', () => {
  test.each(['null', 'true', '0', '-0', '1.5', '"text"', '[]', '{}', '{"a":[1,{"b":null}],"__proto__":"x"}'])(
    '%s is storable (R6)',
    (json) => {
      expect(isStorableJson(JSON.parse(json))).toBe(true);
    },
  );

  test.each([
    String.raw`"\u0000"`,
    String.raw`{"a":["\ud800"]}`,
    String.raw`{"a\u0000":1}`,
    String.raw`[{"b":{"\udc00":1}}]`,
    String.raw`{"__proto__":"\u0000"}`,
    '1e999',
    '[-1e999]',
  ])('%s is not (R6)', (json) => {
    expect(isStorableJson(JSON.parse(json))).toBe(false);
  });

  test.each([[undefined], [1n], [() => 1], [Number.NaN], [{ a: undefined }]])(
    '%s never was JSON',
    (value) => {
      expect(isStorableJson(value)).toBe(false);
    },
  );

  test('any JSON of storable texts is storable', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!JSON.stringify(value).includes(String.raw`\u0000`));
        expect(isStorableJson(value)).toBe(true);
      }),
    );
  });

  test.each([
    [MAX_JSON_DEPTH - 1, true],
    [MAX_JSON_DEPTH, true],
    [MAX_JSON_DEPTH + 1, false],
    [500_000, false],
  ])('%i levels: %s, and the stack holds', (depth, isStorable) => {
    expect(isStorableJson(nested(depth))).toBe(isStorable);
  });
});
