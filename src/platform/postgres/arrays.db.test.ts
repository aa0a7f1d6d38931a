import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../tests/database.ts';
import {
  boolArray,
  byteaArray,
  int2Array,
  int4Array,
  int8Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from './arrays.ts';
import { Session, statement } from './session.ts';

let database: TestDatabase;
let session: Session;

beforeAll(async () => {
  database = await createTestDatabase();
  session = new Session({ url: database.url, name: 'arrays', role: 'none' });
});

afterAll(async () => {
  await session.close();
  await database.drop();
});

/** Sends the array and reads its elements back one by one, in order, as text that shows all of each. */
async function elementsOf(type: string, array: Buffer): Promise<(string | null)[]> {
  const shown = {
    'bytea[]': `encode(e.value, 'hex')`,
    'timestamptz[]': `(extract(epoch from e.value) * 1000)::numeric(20, 3)::text`,
  }[type];
  const rows = await session.query<{ value: string | null }>(
    statement(
      `tests.${type}`,
      `select ${shown ?? 'e.value::text'} as value from unnest($1::${type}) with ordinality as e(value, place) order by place`,
    ),
    [array],
  );
  return rows.map(({ value }) => value);
}

/** Astral characters, combining marks, quotes, backslashes and braces; no NUL and no lone surrogate, which never get here (R6). */
const text = fc
  .string({ unit: 'binary', maxLength: 40 })
  .filter((value) => !value.includes('\0') && value.isWellFormed());
/** As far from 2000 as microseconds are exact in a number, either way. */
const instants = fc.integer({ min: Date.UTC(1745, 0, 1), max: Date.UTC(2254, 11, 31) });
const uuids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
});

interface Case<T> {
  readonly type: string;
  readonly element: fc.Arbitrary<T>;
  readonly pack: (values: readonly (T | null)[]) => Buffer;
  /** The element as the server shows it. */
  readonly shown: (value: T) => string;
  /** Always tried, beside what is generated. */
  readonly extremes: readonly T[];
}

function roundTrips<T>({ type, element, pack, shown, extremes }: Case<T>): void {
  const arrays = fc.array(
    fc.oneof({ weight: 5, arbitrary: element }, { weight: 1, arbitrary: fc.constant(null) }),
    { maxLength: 50 },
  );
  test(`${type} arrives as it was sent: nulls, none, extremes and whatever is between`, async () => {
    const property = fc.asyncProperty(arrays, async (values) => {
      const expected = values.map((value) => (value === null ? null : shown(value)));
      expect(await elementsOf(type, pack(values))).toEqual(expected);
    });
    await fc.assert(property, {
      numRuns: 60,
      examples: [[[]], [[null]], [[null, null, ...extremes, null]], [[...extremes]]],
    });
  });
}

describe('an array in binary form', () => {
  roundTrips({
    type: 'bool[]',
    element: fc.boolean(),
    pack: boolArray,
    shown: String,
    extremes: [true, false],
  });
  roundTrips({
    type: 'int2[]',
    element: fc.integer({ min: -32_768, max: 32_767 }),
    pack: int2Array,
    shown: String,
    extremes: [-32_768, -1, 0, 1, 32_767],
  });
  roundTrips({
    type: 'int4[]',
    element: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    pack: int4Array,
    shown: String,
    extremes: [-(2 ** 31), -1, 0, 2 ** 31 - 1],
  });
  roundTrips<bigint | number>({
    type: 'int8[]',
    element: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.maxSafeInteger()),
    pack: int8Array,
    shown: String,
    extremes: [-(2n ** 63n), 2n ** 63n - 1n, 0n, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  });
  roundTrips({
    type: 'text[]',
    element: text,
    pack: textArray,
    shown: (value) => value,
    extremes: ['', 'NULL', '{}', '"', '\\', '😀', 'é', '\u{10ffff}', '\n\t', 'a'.repeat(10_000)],
  });
  roundTrips({
    type: 'bytea[]',
    element: fc.uint8Array({ maxLength: 60 }),
    pack: byteaArray,
    shown: (value) => Buffer.from(value).toString('hex'),
    extremes: [new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0xff, 0x00, 0x5c)],
  });
  roundTrips({
    type: 'uuid[]',
    element: uuids,
    pack: uuidArray,
    shown: (value) => value,
    extremes: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  });
  roundTrips({
    type: 'timestamptz[]',
    element: instants,
    pack: timestamptzArray,
    shown: (value) => `${value}.000`,
    // Around 2000, where PostgreSQL's instants begin, around 1970, and a leap day.
    extremes: [
      0,
      -1,
      Date.UTC(1999, 11, 31, 23, 59, 59, 999),
      Date.UTC(2000, 0, 1),
      Date.UTC(2000, 1, 29),
      Date.UTC(2254, 11, 31),
    ],
  });
});

test('an instant that is sent comes back as the same milliseconds, also by the session’s own reading', async () => {
  const values = [
    0,
    -1,
    1,
    Date.UTC(1999, 11, 31, 23, 59, 59, 999),
    Date.UTC(1900, 2, 1),
    Date.UTC(2026, 10, 20, 1, 2, 3, 4),
  ];
  const rows = await session.query<{ at: number }>(
    statement(
      'tests.instants',
      'select at from unnest($1::timestamptz[]) with ordinality as e(at, place) order by place',
    ),
    [timestamptzArray(values)],
  );
  expect(rows.map(({ at }) => at)).toEqual(values);
});

test('a batch of a million bytes of text takes no more memory than it has bytes', () => {
  const packed = textArray(Array.from({ length: 1000 }, () => 'x'.repeat(1000)));
  expect(packed.buffer.byteLength).toBeLessThan(1.5 * packed.length);
});
