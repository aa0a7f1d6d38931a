/**
 * What was asked and what was answered, line by line, in the order in which it happened: all that the checker knows. One
 * process writes it, so a line that stands before another happened before it.
 */
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** What a request is to change; its scope is that of its idempotency key. */
export const OPERATIONS = [
  'account',
  'entry',
  'payment',
  'refund',
  'cancel',
  'resolution',
  'card',
  'top_up',
  'card_transaction',
  'card_reversal',
  'card_capture',
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** A request that changes something is about to be sent. `call` is this try of it. */
export interface Asked {
  readonly type: 'asked';
  readonly call: number;
  readonly operation: Operation;
  readonly key: string;
  readonly path: string;
  /** As it is sent. */
  readonly body: string;
}

/** `body`: its exact text. */
export interface Answered {
  readonly type: 'answered';
  readonly call: number;
  readonly status: number;
  readonly body: string;
}

/** No answer came, or none that says anything: whether it was done is not known. */
export interface Unanswered {
  readonly type: 'unanswered';
  readonly call: number;
  readonly why: string;
}

export interface Looked {
  readonly type: 'looked';
  readonly call: number;
  readonly path: string;
}

export interface Saw {
  readonly type: 'saw';
  readonly call: number;
  readonly status: number;
  readonly body: string;
}

export interface BookEntry {
  readonly kind: 'charge' | 'refund';
  readonly key: string;
  /** The payment's id, or the refund's. */
  readonly reference: string;
  readonly amount: number;
  readonly currency: string;
  readonly status: string;
  /** Of a refund: the key of the charge. */
  readonly charge?: string;
}

/** A provider's whole book, at the end. */
export interface Book {
  readonly type: 'book';
  readonly provider: string;
  readonly entries: readonly BookEntry[];
}

/** From here on nothing is asked any more but what became of everything. */
export interface Settled {
  readonly type: 'settled';
}

export type HistoryRecord = Asked | Answered | Unanswered | Looked | Saw | Book | Settled;

/** Lines are written before they are needed, together: a system call for each would be felt. */
const BUFFER_BYTES = 64 * 1024;

export class HistoryFile {
  readonly path: string;
  readonly #file: number;
  #lines: string[] = [];
  #bytes = 0;
  #calls = 0;

  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, 'w', 0o600);
  }

  nextCall(): number {
    this.#calls += 1;
    return this.#calls;
  }

  note(record: HistoryRecord): void {
    const line = `${JSON.stringify(record)}\n`;
    this.#lines.push(line);
    this.#bytes += line.length;
    if (this.#bytes > BUFFER_BYTES) this.flush();
  }

  flush(): void {
    writeSync(this.#file, this.#lines.join(''));
    this.#lines = [];
    this.#bytes = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

export async function* readHistory(path: string): AsyncGenerator<HistoryRecord> {
  for await (const line of createInterface({ input: createReadStream(path, 'utf8') }))
    yield JSON.parse(line) as HistoryRecord;
}
