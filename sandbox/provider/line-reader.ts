/** Cuts what is read piece by piece into lines, and knows where the last whole one ended. */
export class LineReader {
  readonly #onLine: (line: string, number: number) => void;
  #rest: Buffer = Buffer.alloc(0);
  #lines = 0;
  #wholeBytes = 0;

  constructor(onLine: (line: string, number: number) => void) {
    this.#onLine = onLine;
  }

  /** Up to and with the last line's end: what lies behind it is torn. */
  get wholeBytes(): number {
    return this.#wholeBytes;
  }

  /** The bytes may be overwritten afterwards. */
  push(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf('\n'); end >= 0; end = bytes.indexOf('\n', start)) {
      this.#lines += 1;
      this.#onLine(bytes.toString('utf8', start, end), this.#lines);
      start = end + 1;
    }
    this.#wholeBytes += start;
    this.#rest = bytes.subarray(start);
  }
}
