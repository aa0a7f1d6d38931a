/**
 * Cuts a stream of bytes into chunks of whole lines, so that no file is ever held as a whole.
 *
 * LC1: no text that is quoted over several lines is cut, so that whoever reads a chunk sees all of it. One that no chunk can hold
 *      is refused.
 */
import { type ChunkOfLines, contentLines } from './import-lines.ts';
import { BEFORE, findQuotedTexts } from './quoted-texts.ts';

/** What one batch records: some tens of milliseconds, in which the accounts are locked. */
const CHUNK_LINES = 250;
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

export class LineTooLong extends Error {}
/** With the line that it ends in. */
export class TextTooLong extends Error {
  readonly lastLine: number;

  constructor(lastLine: number) {
    super();
    this.lastLine = lastLine;
  }
}

export class LineCutter {
  /** What is not cut off yet is its first `#bytes`; the rest is room, so that what comes in small pieces is copied once. */
  #buffer: Buffer = Buffer.alloc(0);
  #bytes = 0;
  #newlines = 0;
  #firstLine = 1;
  /** Whether a quote is open that was opened in a chunk before. */
  #isOpen = false;

  /** Lines that were cut off so far. */
  get lines(): number {
    return this.#firstLine - 1;
  }

  /** The first line, once it is there in full, and no chunk has been cut before. Throws LineTooLong. */
  takeHeader(data: Buffer): Buffer | undefined {
    this.#add(data);
    if (this.#newlines === 0 && this.#bytes < CHUNK_BYTES) return undefined;
    const end = this.#rest.indexOf(NEWLINE);
    if (end < 0 || end >= CHUNK_BYTES) throw new LineTooLong();
    return this.#cut(end + 1).content;
  }

  /** Throws LineTooLong for a line that no chunk can hold, and TextTooLong for a text. */
  *feed(data: Buffer): Generator<ChunkOfLines> {
    this.#add(data);
    while (this.#bytes >= CHUNK_BYTES || this.#newlines >= CHUNK_LINES) {
      const lines = linesOfChunk(this.#rest);
      if (lines.length === 0) throw new LineTooLong();
      const whole = lines.slice(0, this.#wholeLines(lines));
      yield this.#cut(whole.reduce((bytes, { length }) => bytes + length + 1, 0));
    }
  }

  /** What is left; undefined if nothing is. The last line may have no end. */
  end(): ChunkOfLines | undefined {
    this.#wholeLines(contentLines(this.#rest, this.#firstLine).map(({ bytes }) => bytes));
    return this.#bytes === 0 ? undefined : this.#cut(this.#bytes);
  }

  get #rest(): Buffer {
    return this.#buffer.subarray(0, this.#bytes);
  }

  #add(data: Buffer): void {
    const bytes = this.#bytes + data.length;
    if (bytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(2 * bytes);
      this.#rest.copy(larger);
      this.#buffer = larger;
    }
    data.copy(this.#buffer, this.#bytes);
    this.#bytes = bytes;
    this.#newlines += countLines(data);
  }

  /** LC1: how many of the lines of a chunk come before a quote that is open behind it; all, if that is its first. */
  #wholeLines(lines: readonly Buffer[]): number {
    const { texts, openFrom } = findQuotedTexts(lines, this.#isOpen ? BEFORE : undefined);
    const [first] = texts;
    if (first?.from === BEFORE) throw new TextTooLong(this.#firstLine + first.to);
    this.#isOpen = openFrom === BEFORE || openFrom === 0;
    return this.#isOpen || openFrom === undefined ? lines.length : openFrom;
  }

  #cut(bytes: number): ChunkOfLines {
    const content = Buffer.from(this.#buffer.subarray(0, bytes));
    const chunk = { firstLine: this.#firstLine, content };
    this.#buffer.copyWithin(0, bytes, this.#bytes);
    this.#bytes -= bytes;
    const newlines = countLines(content);
    this.#newlines -= newlines;
    this.#firstLine += newlines + (content.at(-1) === NEWLINE ? 0 : 1);
    return chunk;
  }
}

/** Whole ones, without their ends; none if not even one fits. */
function linesOfChunk(rest: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; lines.length < CHUNK_LINES; ) {
    const end = rest.indexOf(NEWLINE, from);
    if (end < 0 || end >= CHUNK_BYTES) break;
    lines.push(rest.subarray(from, end));
    from = end + 1;
  }
  return lines;
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
