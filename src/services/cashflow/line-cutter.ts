/** Cuts a stream of bytes into chunks of whole lines, so that no file is ever held as a whole. */
import type { ChunkOfLines } from './import-lines.ts';

/** What one batch records: some tens of milliseconds, in which the accounts are locked. */
const CHUNK_LINES = 250;
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

export class LineTooLong extends Error {}

export class LineCutter {
  #rest: Buffer = Buffer.alloc(0);
  #firstLine = 1;

  /** Lines that were cut off so far. */
  get lines(): number {
    return this.#firstLine - 1;
  }

  /** The first line, once it is there in full, and no chunk has been cut before. */
  takeHeader(data: Buffer): Buffer | undefined {
    this.#add(data);
    const end = this.#rest.indexOf(NEWLINE);
    return end < 0 ? undefined : this.#cut(end + 1).content;
  }

  /** Throws LineTooLong for a line that no chunk can hold. */
  *feed(data: Buffer): Generator<ChunkOfLines> {
    this.#add(data);
    while (this.#rest.length >= CHUNK_BYTES || countLines(this.#rest) >= CHUNK_LINES) {
      const bytes = chunkBytes(this.#rest);
      if (bytes === 0) throw new LineTooLong();
      yield this.#cut(bytes);
    }
  }

  /** What is left; undefined if nothing is. The last line may have no end. */
  end(): ChunkOfLines | undefined {
    return this.#rest.length === 0 ? undefined : this.#cut(this.#rest.length);
  }

  #add(data: Buffer): void {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    if (
      this.#firstLine === 1 &&
      this.#rest.length >= CHUNK_BYTES &&
      !this.#rest.subarray(0, CHUNK_BYTES).includes(NEWLINE)
    )
      throw new LineTooLong();
  }

  #cut(bytes: number): ChunkOfLines {
    const content = Buffer.from(this.#rest.subarray(0, bytes));
    const chunk = { firstLine: this.#firstLine, content };
    this.#rest = this.#rest.subarray(bytes);
    this.#firstLine += countLines(content) + (content.at(-1) === NEWLINE ? 0 : 1);
    return chunk;
  }
}

/** How many bytes the next chunk has; 0 if not even a line fits. */
function chunkBytes(rest: Buffer): number {
  let bytes = 0;
  for (let lines = 0; lines < CHUNK_LINES; lines++) {
    const end = rest.indexOf(NEWLINE, bytes);
    if (end < 0 || end >= CHUNK_BYTES) break;
    bytes = end + 1;
  }
  return bytes;
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
