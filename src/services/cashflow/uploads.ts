/**
 * Takes a file in as it comes, in chunks of lines, each committed by itself. It belongs to nobody until an import takes
 * it, in the commit that begins the import; what is not taken is cleared away.
 *
 * UP1: files that come at once share a session, so each statement is a commit of its own: a transaction of one would take in, and
 *      could take back, what is stored of another.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { Fault } from '#kernel/fault.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { byteaArray, int4Array } from '#platform/postgres/arrays.ts';
import type { Session } from '#platform/postgres/session.ts';
import { type ChunkOfLines, malformedFile, parseHeader } from './import-lines.ts';
import {
  BEGIN_UPLOAD,
  DELETE_CHUNKS,
  DISCARD_UPLOAD,
  FIND_STALE_UPLOADS,
  INSERT_CHUNKS,
} from './import-store.ts';
import { LineCutter, LineTooLong, TextTooLong } from './line-cutter.ts';

/** Some 700 000 lines. */
export const IMPORT_BYTES_MAX = 64 * 1024 * 1024;
/** A request takes half a minute at most, and is decided seconds later: what is older was broken off. */
const STALE_AFTER_MS = 3_600_000;

/** Chunks of one commit. With what one read of the socket brings beyond them, at most a megabyte. */
const STORED_TOGETHER = 8;

export interface UploadedFile {
  readonly digest: string;
  readonly bytes: number;
  readonly lines: number;
  readonly columns: readonly string[];
}

export class Uploads {
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #bytesMax: number;

  constructor(options: { session: Session; clock: Clock; bytesMax?: number }) {
    this.#session = options.session;
    this.#clock = options.clock;
    this.#bytesMax = options.bytesMax ?? IMPORT_BYTES_MAX;
  }

  /** Takes the whole of it in, under the uuid; or says why it is no file that can be imported. */
  async take(
    uuid: string,
    content: AsyncIterable<Buffer>,
    accountId: string | undefined,
  ): Promise<Decision<UploadedFile>> {
    await this.#session.query(BEGIN_UPLOAD, [uuid, new Date(this.#clock.now())]);
    try {
      return await this.#take(uuid, content, accountId);
    } catch (error) {
      if (error instanceof LineTooLong) return refused(malformedFile('A line is longer than 64 KiB.'));
      if (error instanceof TextTooLong) return refused(malformedFile(textTooLong(error)));
      throw error;
    }
  }

  /** What no import has taken. */
  async discard(uuid: string): Promise<void> {
    const discarded = await this.#session.query(DISCARD_UPLOAD, [uuid]); // UP1
    // A chunk that was being stored while the row was waited for is none that the statement has seen (R2).
    if (discarded.length > 0) await this.#session.query(DELETE_CHUNKS, [uuid]);
  }

  /** What was broken off. */
  async discardStale(): Promise<void> {
    const before = new Date(this.#clock.now() - STALE_AFTER_MS);
    const stale = await this.#session.query<{ id: string }>(FIND_STALE_UPLOADS, [before]);
    await Promise.all(stale.map(({ id }) => this.discard(id)));
  }

  async #take(
    uuid: string,
    content: AsyncIterable<Buffer>,
    accountId: string | undefined,
  ): Promise<Decision<UploadedFile>> {
    const sum = createHash('sha256');
    const cutter = new LineCutter();
    const cut: ChunkOfLines[] = [];
    let bytes = 0;
    let columns: readonly string[] | undefined;
    for await (const data of content) {
      bytes += data.length;
      if (bytes > this.#bytesMax) return refused(tooLarge(this.#bytesMax));
      sum.update(data);
      let rest: Buffer = data;
      if (columns === undefined) {
        const header = cutter.takeHeader(data);
        if (header === undefined) continue;
        const parsed = parseHeader(withoutEnd(header), accountId);
        if (!parsed.ok) return parsed;
        columns = parsed.value;
        rest = Buffer.alloc(0);
      }
      cut.push(...cutter.feed(rest));
      if (cut.length >= STORED_TOGETHER) await this.#store(uuid, cut.splice(0));
    }
    const last = cutter.end();
    if (last !== undefined) cut.push(last);
    if (columns === undefined || cutter.lines < 2)
      return refused(malformedFile('The file has no line with an entry.'));
    await this.#store(uuid, cut);
    return accepted({ digest: sum.digest('hex'), bytes, lines: cutter.lines, columns });
  }

  /** All of them in one commit. */
  async #store(uuid: string, chunks: readonly ChunkOfLines[]): Promise<void> {
    if (chunks.length === 0) return;
    const stored = await this.#session.query(INSERT_CHUNKS, [
      int4Array(chunks.map(({ firstLine }) => firstLine)),
      byteaArray(chunks.map(({ content }) => content)),
      uuid,
    ]);
    if (stored.length === 0)
      throw new Fault('the upload was cleared away while it was coming', { transient: true });
  }
}

function textTooLong({ lastLine }: TextTooLong): string {
  return `A text in quotes that ends in line ${lastLine} began more than 64 KiB or 250 lines before.`;
}

function withoutEnd(line: Buffer): Buffer {
  return line.subarray(0, line.length - 1);
}

export function tooLarge(bytesMax: number): Problem {
  return problem('request.too_large', `A file that is imported has at most ${bytesMax} bytes.`);
}
