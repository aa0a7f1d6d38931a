/**
 * Records the lines of imports, a chunk a commit, in the background.
 *
 * IM1: what became of a chunk's lines, and that the chunk was read, are one commit. A process that dies leaves the import
 *      where the last commit left it, and any other goes on from there.
 * IM2: an entry's id is a function of file and line, looked up before it is recorded: no line is recorded twice, however
 *      often the file is sent.
 * IM3: who works on an import has locked its turn; another process takes the next one. Tenants take turns by chunk,
 *      and so do a tenant's imports: who sends a thousand files holds up nobody else's.
 * IM4: a file of one chunk whose lines can all be recorded is recorded in the commit that looked at them.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import { sendAppends } from '#platform/batch/command-worker.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { repeatWhile } from '#platform/batch/repeat.ts';
import { Signal } from '#platform/batch/signal.ts';
import { TenantRounds } from '#platform/batch/tenant-rounds.ts';
import { createFaultFinder } from '#platform/http/validation.ts';
import type { AppendedSegment } from '#platform/log/append.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { textArray } from '#platform/postgres/arrays.ts';
import type { Session, Transaction } from '#platform/postgres/session.ts';
import type { Ledger } from '#services/ledger/contract.ts';
import { saveRecorded } from './cash-commands.ts';
import { afterChunk, afterLastChunk, type Import, type ImportState, isFinished } from './import.ts';
import { type ChunkOfLines, lastLineOf, type ReadLines, readLines } from './import-lines.ts';
import {
  CLOSE_IMPORT,
  DELETE_CHUNKS,
  END_TURN,
  type ImportRow,
  importOf,
  insertErrors,
  LOCK_IMPORT,
  NEXT_CHUNK,
  TAKE_TURN,
  updateImport,
} from './import-store.ts';
import { openCashBooks } from './open-cash-books.ts';
import { entryOfLine, type RecordedLines, recordLines } from './record-lines.ts';
import { cashEntryEvent, ledgerEvents } from './render-events.ts';
import { CashEntryBody } from './schemas.ts';
import { findCashEntries } from './store.ts';
import type { Uploads } from './uploads.ts';

/** In metrics and logs. */
const NAME = 'cashflow.imports';
/** An import that another process took in, or left, is found so soon. */
const LOOK_MS = 1000;
/** What fails is left alone for so long before it is tried again. */
const FAILED_PAUSE = { firstMs: 100, maxMs: 30_000 };
const STALE_LOOK_MS = 600_000;

const findFaults = createFaultFinder(CashEntryBody);

export interface ImporterOptions {
  readonly ledger: Ledger;
  readonly log: EventLog;
  readonly session: Session;
  readonly uploads: Uploads;
  readonly clock: Clock;
  readonly random: () => number;
  readonly observer: BatchObserver;
}

interface Turn {
  readonly lines: number;
  readonly segments: Promise<AppendedSegment[]> | undefined;
}

interface TurnRow {
  tenant: string;
  id: string;
}

interface Key {
  readonly tenant: string;
  readonly uuid: string;
}

export class Importer {
  readonly #options: ImporterOptions;
  readonly #signal = new Signal();
  #stopping = false;
  #running: Promise<void> | undefined;
  /** IM3 */
  readonly #rounds = new TenantRounds();
  #failures = 0;
  #staleLookAt = 0;

  constructor(options: ImporterOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There is a new import. */
  wake(): void {
    this.#signal.raise();
  }

  /** Finishes the chunk under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    await this.#running;
  }

  #run(): Promise<void> {
    return repeatWhile(
      () => !this.#stopping,
      async () => {
        const restMs = await this.#work();
        if (restMs > 0) await this.#signal.wait(restMs);
      },
    );
  }

  /** How long to rest behind it. */
  async #work(): Promise<number> {
    const { observer, log, random } = this.#options;
    const startedAt = performance.now();
    const of: { key?: Key } = {};
    try {
      await this.#clearAway();
      const turn = await this.#options.session.transaction((tx) => this.#takeTurn(tx, of));
      this.#failures = 0;
      if (turn === undefined) return LOOK_MS;
      if (turn.segments !== undefined) log.publish(await turn.segments);
      const durationMs = performance.now() - startedAt;
      observer.committed(NAME, { events: turn.lines, durationMs });
      // As long as it took: the other half of the database is the callers'.
      return turn.lines === 0 ? 0 : durationMs;
    } catch (error) {
      observer.failed(NAME, error);
      this.#failures++;
      const pauseMs = backoffMs(this.#failures, random, FAILED_PAUSE);
      await this.#postpone(of.key, pauseMs);
      return Math.min(pauseMs, LOOK_MS);
    }
  }

  /** The others go on. */
  async #postpone(key: Key | undefined, pauseMs: number): Promise<void> {
    if (key === undefined) return;
    const { session, clock, observer } = this.#options;
    try {
      await session.query(END_TURN, [key.tenant, key.uuid, new Date(clock.now() + pauseMs)]);
    } catch (error) {
      observer.failed(NAME, error);
    }
  }

  async #clearAway(): Promise<void> {
    if (performance.now() < this.#staleLookAt) return;
    await this.#options.uploads.discardStale();
    this.#staleLookAt = performance.now() + STALE_LOOK_MS;
  }

  /** Undefined if there is nothing to do. */
  async #takeTurn(tx: Transaction, of: { key?: Key }): Promise<Turn | undefined> {
    const now = this.#options.clock.now();
    const turn = await this.#nextTurn(tx, now);
    if (turn === undefined) return undefined;
    of.key = { tenant: turn.tenant, uuid: turn.id };
    const [row] = await tx.query<ImportRow>(LOCK_IMPORT, [turn.tenant, turn.id]);
    if (row === undefined) return undefined;
    const present = importOf(row);
    const [chunk] = await tx.query<{ first_line: number; content: Buffer }>(NEXT_CHUNK, [
      present.upload,
      present.position,
    ]);
    tx.run(END_TURN, [turn.tenant, turn.id, new Date(now)]);
    if (chunk === undefined) return this.#endOfFile(tx, present, now);
    return this.#readChunk(tx, present, { firstLine: chunk.first_line, content: chunk.content });
  }

  /** IM3 */
  async #nextTurn(tx: Transaction, now: EpochMs): Promise<TurnRow | undefined> {
    const turn = await this.#rounds.next(async (served) => {
      const [found] = await tx.query<TurnRow>(TAKE_TURN, [new Date(now), textArray(served)]);
      return found;
    });
    if (turn !== undefined) this.#rounds.serve(turn.tenant);
    return turn;
  }

  /** IM1 */
  async #readChunk(tx: Transaction, present: Import, chunk: ChunkOfLines): Promise<Turn> {
    const { ledger, clock, log } = this.#options;
    const read = readLines(chunk, present, findFaults);
    const on = await this.#loadFor(tx, present, read);
    const now = clock.now();
    const decided = recordLines(on, present, read, now);
    const state = stateFor(present, chunk, decided);
    const outcome = outcomeOf(chunk, read, decided);
    const { after, errors } = afterChunk({ ...present, state }, outcome);
    updateImport(tx, state === 'recording' ? after : { ...after, recorded: 0 });
    insertErrors(tx, present, errors);
    if (state !== 'recording') return { lines: outcome.read, segments: undefined };
    saveRecorded(tx, ledger, { books: on.books, recorded: decided.recorded, now });
    const { correlationId, requestId } = present;
    const origin = { correlationId, causation: requestId, traceparent: null };
    const drafts = decided.recorded.flatMap((recorded) => [
      { topic: 'cashflow', draft: cashEntryEvent(recorded, origin) },
      ...ledgerEvents(recorded, origin),
    ]);
    const segments = sendAppends(tx, drafts, { partitions: log.partitions, occurredAt: now });
    return { lines: outcome.read, segments };
  }

  /** IM2: behind the locks of the accounts, under which alone its lines are recorded. */
  async #loadFor(tx: Transaction, present: Import, { entries }: ReadLines) {
    const { tenant } = present;
    const on = await openCashBooks(tx, this.#options.ledger, {
      entries: entries.map(({ terms }) => ({
        account: { tenant, id: terms.account_id },
        category: terms.category ?? null,
      })),
    });
    const keys = entries.map(({ line }) => ({ tenant, uuid: entryOfLine(present, line) }));
    const known = await findCashEntries(tx, keys);
    return { ...on, known: new Set(known.map(({ uuid }) => uuid)) };
  }

  #endOfFile(tx: Transaction, present: Import, now: EpochMs): Turn {
    const after = afterLastChunk(present, now);
    updateImport(tx, after);
    if (isFinished(after)) {
      tx.run(CLOSE_IMPORT, [present.tenant, present.uuid]);
      tx.run(DELETE_CHUNKS, [present.upload]);
    }
    return { lines: 0, segments: undefined };
  }
}

/** IM4 */
function stateFor(present: Import, chunk: ChunkOfLines, { errors }: RecordedLines): ImportState {
  const isWholeFile = present.position === 0 && lastLineOf(chunk) === present.lines;
  return isWholeFile && errors.length === 0 ? 'recording' : present.state;
}

function outcomeOf({ firstLine }: ChunkOfLines, read: ReadLines, decided: RecordedLines) {
  const { recorded, alreadyRecorded, errors } = decided;
  return {
    firstLine,
    read: read.entries.length + read.errors.length,
    recorded: recorded.length,
    alreadyRecorded,
    errors,
  };
}
