/**
 * The book on disk: a file of JSON lines that is only appended to.
 *
 * J1: when `settled` resolves, everything appended before it was called is on disk.
 * J2: what waits is written and synced together, one such group at a time and in order.
 * J3: a file is read to its last whole line; a torn one, of which nobody was told, is cut off.
 * J4: after a write that failed nothing is settled any more, and `onFailure` is told: the process has to end.
 */
import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { BookRecord } from './book.ts';
import { LineReader } from './line-reader.ts';

const READ_BYTES = 1024 * 1024;

export interface JournalOptions {
  readonly path: string;
  readonly onRecord: (record: BookRecord) => void;
  readonly onFailure: (error: unknown) => void;
}

interface Group {
  readonly written: Promise<void>;
  readonly resolve: () => void;
}

export class Journal {
  readonly #file: FileHandle;
  readonly #onFailure: (error: unknown) => void;
  #lines: string[] = [];
  /** Of the lines that wait. */
  #waiting: Group | undefined;
  #writing: Group | undefined;
  #isClosed = false;

  private constructor(file: FileHandle, onFailure: (error: unknown) => void) {
    this.#file = file;
    this.#onFailure = onFailure;
  }

  /** Reads what is there, record by record, and is then ready for more. */
  static async open({ path, onRecord, onFailure }: JournalOptions): Promise<Journal> {
    mkdirSync(dirname(path), { recursive: true });
    readRecords(path, onRecord);
    return new Journal(await open(path, 'a', 0o600), onFailure);
  }

  append(record: BookRecord): void {
    this.#lines.push(`${JSON.stringify(record)}\n`);
    if (this.#waiting !== undefined) return;
    this.#waiting = newGroup();
    // Whatever else this turn of the loop reads belongs to the same group.
    if (this.#writing === undefined && !this.#isClosed) setImmediate(() => void this.#write());
  }

  /** J1 */
  async settled(): Promise<void> {
    await (this.#waiting ?? this.#writing)?.written;
  }

  /** What is appended afterwards is not written, and never settled. */
  async close(): Promise<void> {
    while (this.#waiting !== undefined || this.#writing !== undefined) await this.settled();
    this.#isClosed = true;
    await this.#file.close();
  }

  /** J2 */
  async #write(): Promise<void> {
    while (this.#waiting !== undefined) {
      const group = this.#waiting;
      const text = this.#lines.join('');
      this.#lines = [];
      this.#waiting = undefined;
      this.#writing = group;
      try {
        await this.#file.appendFile(text);
        await this.#file.datasync();
      } catch (error) {
        this.#onFailure(error); // J4
        return;
      }
      group.resolve();
    }
    this.#writing = undefined;
  }
}

function newGroup(): Group {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { written: promise, resolve };
}

/** J3 */
function readRecords(path: string, onRecord: (record: BookRecord) => void): void {
  const file = openSync(path, 'a+', 0o600);
  try {
    const lines = new LineReader((line, number) => onRecord(parseRecord(path, line, number)));
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    for (let offset = 0; ; ) {
      const bytes = readSync(file, chunk, 0, READ_BYTES, offset);
      if (bytes === 0) break;
      lines.push(chunk.subarray(0, bytes));
      offset += bytes;
    }
    ftruncateSync(file, lines.wholeBytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolder(dirname(path));
}

/** A file just made is only there after a loss of power if its folder was synced. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function parseRecord(path: string, line: string, number: number): BookRecord {
  try {
    return JSON.parse(line) as BookRecord;
  } catch (cause) {
    throw new Error(
      `line ${number} of the book ${path} is damaged: move the file away to begin anew, or mend the line`,
      { cause },
    );
  }
}
