import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJsonBody } from './json-body.ts';

const parse = (text: string) => parseJsonBody(Buffer.from(text));

/** Names and texts of every kind that is accepted. */
const acceptedText = fc.string({ unit: 'binary', maxLength: 12 }).filter((it) => !it.includes('\0'));
const acceptedName = acceptedText.filter((it) => !/["\\\p{Cc}]/v.test(it) && it !== '__proto__');

/** Values that JSON keeps exactly. */
const exact = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Number.isInteger(number)),
    acceptedText,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(acceptedName, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value;

test('what JSON keeps exactly is read as it was meant', () => {
  fc.assert(
    fc.property(exact, fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
      expect(parse(JSON.stringify(value, null, indent))).toEqual({ ok: true, value });
    }),
  );
});

test('J7: an escaped name is what was sent, whatever was read before', () => {
  const escaped = (it: string) =>
    it.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const units = fc.constantFrom('a', 'é', '\\', '"', '\n', 'u', '0');
  const names = fc.array(units, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
  let runs = 0;
  fc.assert(
    fc.property(names, names, (before, now) => {
      // V8 expects a name only where but one has followed so far: each run needs a shape of its own.
      runs += 1;
      const shape = (quoted: string) => `{"x${runs}":1,${quoted}:2}`;
      parse(shape(JSON.stringify(before)));
      const isAccepted = !/["\\\n]/.test(now);
      for (const quoted of [JSON.stringify(now), `"${escaped(now)}"`]) {
        const decision = parse(shape(quoted));
        expect(decision.ok).toBe(isAccepted);
        if (decision.ok) expect(decision.value).toEqual({ [`x${runs}`]: 1, [now]: 2 });
      }
    }),
    { numRuns: 500 },
  );
});

test('an integer is accepted exactly if its text is one that a double keeps', () => {
  const digits = fc.stringMatching(/^(?:0|[1-9]\d{0,17})$/);
  const fraction = fc.stringMatching(/^(?:\.\d{1,20})?$/);
  const exponent = fc.stringMatching(/^(?:[eE][+-]?\d{1,2})?$/);
  fc.assert(
    fc.property(digits, fraction, exponent, (whole, decimals, power) => {
      const text = whole + decimals + power;
      const value = Number(text);
      const isExact = Number.isInteger(value)
        ? Number.isSafeInteger(value) && isSame(text, value)
        : Number.isFinite(value);
      expect(parse(`[${text}]`).ok).toBe(isExact);
    }),
    { numRuns: 2_000 },
  );
});

/** The comparison by scaling both to integers: an oracle that shares nothing with the code. */
function isSame(text: string, value: number): boolean {
  const [mantissa = '', power = '0'] = text.toLowerCase().split('e');
  const [whole = '', decimals = ''] = mantissa.split('.');
  const scale = 200;
  const shift = scale + Number(power) - decimals.length;
  return BigInt(whole + decimals) * 10n ** BigInt(shift) === BigInt(value) * 10n ** BigInt(scale);
}

test('a name that stands twice is found wherever it is, and only then', () => {
  const names = fc.array(fc.constantFrom('a', 'b', 'c', 'd', '{', '}', '[', ',', ':'), { maxLength: 5 });
  fc.assert(
    fc.property(names, names, (outer, inner) => {
      const members = (list: readonly string[], value: string) =>
        list.map((name) => `${JSON.stringify(name)}:${value}`).join(', ');
      const text = `{"x": [${inner.length}, {${members(inner, '"{,:\\""')}}], ${members(outer, '[]') || '"y": 1'}}`;
      const isUnique = new Set(inner).size === inner.length && new Set(outer).size === outer.length;
      expect(parse(text).ok).toBe(isUnique);
    }),
  );
});

test.each([
  ['1e400', ['']],
  ['-9007199254740993', ['']],
  ['[1, {"a~/b": [[], {}, 9007199254740993]}, -1e-400]', ['/1/a~0~1b/2', '/2']],
  ['{"\\u0061": {"x": "1e400, {", "y": 1e400}, "b": [1.00000000000000000001]}', ['/a/y', '/b/0']],
  ['{"a": [{"b": 1, "b": {"c": 1, "c": 2}}], "a": 1e400}', ['/a/0/b', '/a/0/b/c', '/a', '/a']],
])('J3, J4: %s is at fault at %j', (text, pointers) => {
  const decision = parse(text);
  expect(decision.ok ? [] : decision.problem.errors?.map(({ pointer }) => pointer)).toEqual(pointers);
});

test.each(['9007199254740993,', '{"a":1,"a":1},', '"\\u0000",', '{"__proto__":1},'])(
  'of a body of nothing but %s no more faults are looked for than an answer lists',
  (item) => {
    const decision = parse(`[${item.repeat(1000)}0]`);
    expect(decision.ok ? undefined : decision.problem.errors?.length).toBe(100);
  },
);

test('no bytes whatever make reading a body throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text.slice(0, -1))),
      ),
      (bytes) => {
        const decision = parseJsonBody(Buffer.from(bytes));
        expect(decision.ok ? 'true' : decision.problem.code).toMatch(
          /^(?:true|request\.(?:malformed_json|invalid))$/,
        );
      },
    ),
  );
});

test('a megabyte of the worst of each kind is read without running out of stack', () => {
  const size = 300_000;
  for (const text of [
    `[${'1e999,'.repeat(size / 2)}1]`,
    `{${'"a":1,'.repeat(size / 2)}"a":1}`,
    `["${'\\u0000'.repeat(size / 2)}"]`,
    `[${'"\\u0000",'.repeat(size / 3)}1]`,
    `"${'\\\\'.repeat(size)}`,
    '['.repeat(size),
    `${' '.repeat(size)}1`,
  ]) {
    expect(typeof parse(text).ok).toBe('boolean');
  }
});

test('what is told of a body stays short, however long its names are', () => {
  const numbers = Array.from({ length: 100 }, () => '1e400').join();
  const decision = parse(`{"${'x'.repeat(100_000)}":[${numbers}]}`);
  expect(decision.ok ? 0 : decision.problem.errors?.length).toBeGreaterThan(0);
  expect(JSON.stringify(decision).length).toBeLessThan(50_000);
});
