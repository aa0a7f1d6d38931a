/**
 * Reads HTTP/1.1 answers of which one at a time is expected: status, `content-length`, body. What our own server never
 * sends (chunks, several answers at once, a body without a length) is an error, not a case.
 *
 * An answer that comes in one piece, nearly every one, is neither copied nor turned into text.
 */
export class UnreadableResponse extends Error {}

const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH_FIELD = Buffer.from('\r\ncontent-length:');
const VERSION = Buffer.from('HTTP/1.1 ');
const STATUS_AT = VERSION.length;
const DIGIT_ZERO = 0x30;
const SPACE = 0x20;
const CASE_BIT = 0x20;
/** No answer of a payments API is longer; more is a server gone wrong. */
const MAX_RESPONSE_BYTES = 1024 * 1024;

export class ResponseReader {
  /** Of the answer that `read` completed. */
  status = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #bodyStart = 0;
  #bodyEnd = 0;
  #pending: Buffer | undefined;

  /** Takes the next bytes of the connection; true when they complete the answer. The chunk may be reused by its owner afterwards. */
  read(chunk: Buffer): boolean {
    const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    if (this.#parse(bytes)) {
      this.#pending = undefined;
      return true;
    }
    if (bytes.length > MAX_RESPONSE_BYTES)
      throw new UnreadableResponse(`an answer of more than ${MAX_RESPONSE_BYTES} bytes`);
    this.#pending = bytes === chunk ? Buffer.from(chunk) : bytes;
    return false;
  }

  /** The completed answer's body, readable until the connection's next bytes. */
  get body(): Buffer {
    return this.#bytes.subarray(this.#bodyStart, this.#bodyEnd);
  }

  /** Forgets what it has of an answer: the connection was lost. */
  reset(): void {
    this.#pending = undefined;
  }

  #parse(bytes: Buffer): boolean {
    const headEnd = bytes.indexOf(HEAD_END);
    if (headEnd < 0) return false;
    this.#bodyStart = headEnd + HEAD_END.length;
    this.#bodyEnd = this.#bodyStart + contentLength(bytes, headEnd);
    if (bytes.length < this.#bodyEnd) return false;
    if (bytes.length > this.#bodyEnd) throw new UnreadableResponse('more bytes than one answer has');
    this.status = statusOf(bytes);
    this.#bytes = bytes;
    return true;
  }
}

function statusOf(bytes: Buffer): number {
  const status =
    100 * digitAt(bytes, STATUS_AT) + 10 * digitAt(bytes, STATUS_AT + 1) + digitAt(bytes, STATUS_AT + 2);
  if (status >= 100 && status <= 599 && VERSION.every((byte, index) => bytes[index] === byte)) return status;
  throw new UnreadableResponse(`not an HTTP/1.1 answer: ${bytes.toString('latin1', 0, 40)}`);
}

function contentLength(bytes: Buffer, headEnd: number): number {
  const field = bytes.indexOf(LENGTH_FIELD);
  const at = field >= 0 && field < headEnd ? field : indexOfIgnoringCase(bytes, LENGTH_FIELD, headEnd);
  if (at < 0) throw new UnreadableResponse('an answer without content-length');
  let length = 0;
  let place = at + LENGTH_FIELD.length;
  while (bytes[place] === SPACE) place += 1;
  for (; place < headEnd && digitAt(bytes, place) <= 9; place += 1)
    length = length * 10 + digitAt(bytes, place);
  return length;
}

/** Above 9 for what is no digit. */
function digitAt(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) - DIGIT_ZERO) >>> 0;
}

function indexOfIgnoringCase(bytes: Buffer, wanted: Buffer, end: number): number {
  for (let start = 0; start + wanted.length <= end; start += 1) {
    if (wanted.every((byte, offset) => lowerCase(bytes[start + offset] ?? 0) === byte)) return start;
  }
  return -1;
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | CASE_BIT : byte;
}
