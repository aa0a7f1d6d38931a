/**
 * Arrays in PostgreSQL's binary format, as parameters: one array per column, unnested by the server. The cheapest form
 * in which rows can be handed over short of COPY, and the one the product uses; nothing here is shared with it.
 *
 * Layout (array_recv): int32 dimensions, int32 has-nulls, int32 element oid, int32 length, int32 lower bound, then per
 * element int32 byte length (-1: null) and the bytes.
 */
const OID = { bytea: 17, int8: 20, int2: 21, int4: 23, text: 25, uuid: 2950 } as const;
const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;

export function textArray(values: readonly (string | null)[]): Buffer {
  return arrayOf(
    OID.text,
    values.map((value) => (value === null ? null : Buffer.from(value, 'utf8'))),
  );
}

export function byteaArray(values: readonly Buffer[]): Buffer {
  return arrayOf(OID.bytea, values);
}

/** Canonical text in, 16 bytes out. */
export function uuidArray(values: readonly string[]): Buffer {
  return arrayOf(
    OID.uuid,
    values.map((value) => Buffer.from(value.replaceAll('-', ''), 'hex')),
  );
}

export function int2Array(values: readonly number[]): Buffer {
  return arrayOf(
    OID.int2,
    values.map((value) => fixed(2, (bytes) => bytes.writeInt16BE(value))),
  );
}

export function int4Array(values: readonly number[]): Buffer {
  return arrayOf(
    OID.int4,
    values.map((value) => fixed(4, (bytes) => bytes.writeInt32BE(value))),
  );
}

export function int8Array(values: readonly bigint[]): Buffer {
  return arrayOf(
    OID.int8,
    values.map((value) => fixed(8, (bytes) => bytes.writeBigInt64BE(value))),
  );
}

function fixed(width: number, write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.allocUnsafe(width);
  write(bytes);
  return bytes;
}

function arrayOf(elementOid: number, elements: readonly (Buffer | null)[]): Buffer {
  const size = elements.reduce((sum, element) => sum + LENGTH_BYTES + (element?.length ?? 0), HEADER_BYTES);
  // Of memory of its own: a batch is kept until it is sent, and must not keep a shared block alive with it.
  const out = Buffer.allocUnsafeSlow(size);
  const header = [1, elements.includes(null) ? 1 : 0, elementOid, elements.length, 1];
  for (const [index, value] of header.entries()) out.writeInt32BE(value, index * LENGTH_BYTES);
  let at = HEADER_BYTES;
  for (const element of elements) {
    out.writeInt32BE(element?.length ?? NULL_LENGTH, at);
    at += LENGTH_BYTES;
    if (element !== null) at += element.copy(out, at);
  }
  return out;
}
