/**
 * One-dimensional arrays in PostgreSQL's binary format, as statement parameters. A batch travels as one array per
 * column and is unnested by the server; in text form every quote of every JSON payload would be escaped here and
 * unescaped there. `pg` sends a Buffer parameter as binary, so the statement must name its type: `$1::text[]`.
 *
 * Layout (array_recv): int32 dimensions, int32 has-nulls, int32 element oid, int32 length, int32 lower bound,
 * then per element int32 byte length (-1 = null) and the bytes.
 */
import type { EpochMs } from '#kernel/clock.ts';

const OID = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  timestamptz: 1184,
  uuid: 2950,
} as const;
const HEADER_BYTES = 20;
/** 2000-01-01T00:00:00Z, where PostgreSQL's timestamps begin. */
const POSTGRES_EPOCH_MS = 946_684_800_000;

function withHeader(totalBytes: number, elementOid: number, length: number, hasNulls: boolean): Buffer {
  const out = Buffer.allocUnsafe(totalBytes);
  writeHeader(out, { elementOid, length, hasNulls });
  return out;
}

function writeHeader(out: Buffer, header: { elementOid: number; length: number; hasNulls: boolean }): void {
  out.writeInt32BE(1, 0);
  out.writeInt32BE(header.hasNulls ? 1 : 0, 4);
  out.writeInt32BE(header.elementOid, 8);
  out.writeInt32BE(header.length, 12);
  out.writeInt32BE(1, 16);
}

/** Elements of one width; `write` is a function of this module, so that it is called and not wrapped. */
function fixedArray<T>(
  elementOid: number,
  width: number,
  values: readonly (T | null)[],
  write: (out: Buffer, value: T, at: number) => void,
): Buffer {
  let nulls = 0;
  for (let index = 0; index < values.length; index++) if (values[index] === null) nulls++;
  const out = withHeader(
    HEADER_BYTES + values.length * 4 + (values.length - nulls) * width,
    elementOid,
    values.length,
    nulls > 0,
  );
  let at = HEADER_BYTES;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as T | null;
    if (value === null) {
      out.writeInt32BE(-1, at);
      at += 4;
    } else {
      out.writeInt32BE(width, at);
      write(out, value, at + 4);
      at += 4 + width;
    }
  }
  return out;
}

export function int2Array(values: readonly (number | null)[]): Buffer {
  return fixedArray(OID.int2, 2, values, writeInt2);
}

export function int4Array(values: readonly (number | null)[]): Buffer {
  return fixedArray(OID.int4, 4, values, writeInt4);
}

export function int8Array(values: readonly (bigint | number | null)[]): Buffer {
  return fixedArray(OID.int8, 8, values, writeInt8);
}

export function boolArray(values: readonly (boolean | null)[]): Buffer {
  return fixedArray(OID.bool, 1, values, writeBool);
}

/** Canonical uuid text (36 characters) in, 16 bytes out. */
export function uuidArray(values: readonly (string | null)[]): Buffer {
  return fixedArray(OID.uuid, 16, values, writeUuid);
}

export function timestamptzArray(values: readonly (EpochMs | null)[]): Buffer {
  return fixedArray(OID.timestamptz, 8, values, writeInstant);
}

function writeInt2(out: Buffer, value: number, at: number): void {
  out.writeInt16BE(value, at);
}

function writeInt4(out: Buffer, value: number, at: number): void {
  out.writeInt32BE(value, at);
}

function writeBool(out: Buffer, value: boolean, at: number): void {
  out.writeUInt8(value ? 1 : 0, at);
}

const TWO_TO_32 = 2 ** 32;

/** `Buffer.writeBigInt64BE` makes four bigints for each it writes (measured: 6 % of all garbage); halves of a number make none. */
function writeInt8(out: Buffer, value: bigint | number, at: number): void {
  const exact = Number(value);
  if (Number.isSafeInteger(exact)) {
    const high = Math.floor(exact / TWO_TO_32);
    out.writeInt32BE(high, at);
    out.writeUInt32BE(exact - high * TWO_TO_32, at + 4);
  } else {
    out.writeBigInt64BE(BigInt(value), at);
  }
}

/** Microseconds stay below 2^53 until the year 2255, so the product is exact. */
function writeInstant(out: Buffer, value: EpochMs, at: number): void {
  writeInt8(out, (value - POSTGRES_EPOCH_MS) * 1000, at);
}

/** Where the pairs of hex digits stand in `8-4-4-4-12`. */
const UUID_PAIRS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
const DIGIT_VALUES = new Uint8Array(128);
for (const digit of '0123456789abcdefABCDEF') DIGIT_VALUES[digit.charCodeAt(0)] = Number.parseInt(digit, 16);

/** Digit by digit: slices for `Buffer.write` would be five strings a uuid. */
function writeUuid(out: Buffer, uuid: string, at: number): void {
  for (let byte = 0; byte < 16; byte++) {
    const pair = UUID_PAIRS[byte] as number;
    const high = DIGIT_VALUES[uuid.charCodeAt(pair)] as number;
    out[at + byte] = (high << 4) | (DIGIT_VALUES[uuid.charCodeAt(pair + 1)] as number);
  }
}

export function byteaArray(values: readonly (Uint8Array | null)[]): Buffer {
  let bytes = HEADER_BYTES + values.length * 4;
  let nulls = 0;
  for (const value of values) {
    if (value === null) nulls++;
    else bytes += value.length;
  }
  const out = withHeader(bytes, OID.bytea, values.length, nulls > 0);
  let at = HEADER_BYTES;
  for (const value of values) {
    out.writeInt32BE(value === null ? -1 : value.length, at);
    at += 4;
    if (value !== null) {
      out.set(value, at);
      at += value.length;
    }
  }
  return out;
}

/** Where text arrays are laid out before their length is known; grows to the largest there was. Used and copied from within one call. */
let scratch = Buffer.allocUnsafe(1 << 16);

export function textArray(values: readonly (string | null)[]): Buffer {
  // One pass: a UTF-16 code unit becomes at most three bytes, so room for the worst case is made in the scratch buffer,
  // and only what was needed is kept.
  let worst = HEADER_BYTES + values.length * 4;
  let nulls = 0;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as string | null;
    if (value === null) nulls++;
    else worst += value.length * 3;
  }
  if (scratch.length < worst) scratch = Buffer.allocUnsafe(2 ** Math.ceil(Math.log2(worst)));
  writeHeader(scratch, { elementOid: OID.text, length: values.length, hasNulls: nulls > 0 });
  let at = HEADER_BYTES;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as string | null;
    if (value === null) {
      scratch.writeInt32BE(-1, at);
      at += 4;
    } else {
      const written = scratch.write(value, at + 4, 'utf8');
      scratch.writeInt32BE(written, at);
      at += 4 + written;
    }
  }
  return Buffer.from(scratch.subarray(0, at));
}
