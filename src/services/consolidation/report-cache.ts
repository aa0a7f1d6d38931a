/**
 * Rendered reports, the least recently read ones forgotten first. A report is kept with the change of its accounts that it
 * was made at, with which who finds it compares (report-texts.ts): whoever has changed them since, here or elsewhere.
 */
import type { CalendarDate } from './business-day.ts';

/** A year of an account on which something moves every day takes 55 KB. */
const BYTES_MAX = 64 * 1024 * 1024;
/** What an entry takes beside its text and its key: a report of one day has fewer bytes than that. */
const ENTRY_BYTES = 1024;

export interface Report {
  /** Which changes of which accounts. */
  readonly stamp: string;
  readonly text: Buffer;
  /** Of one account alone. */
  readonly settled: SettledDays | undefined;
}

/** The days before the last one that has a row: what comes later seldom changes them. */
export interface SettledDays {
  /** A part of the text's own memory. */
  readonly head: Buffer;
  readonly nextDay: CalendarDate;
  /** Another one as soon as any of the days is. */
  readonly mark: string;
}

export class ReportCache {
  readonly #bytesMax: number;
  readonly #reports = new Map<string, Report>();
  #bytes = 0;

  constructor(bytesMax = BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#reports.size;
  }

  /** Whatever it was made at. */
  find(key: string): Report | undefined {
    const kept = this.#reports.get(key);
    if (kept === undefined) return undefined;
    this.#reports.delete(key);
    this.#reports.set(key, kept); // the last one is the one read last
    return kept;
  }

  keep(key: string, report: Report): void {
    this.#forget(key);
    const bytes = bytesOf(key, report);
    if (bytes > this.#bytesMax) return;
    this.#reports.set(key, report);
    this.#bytes += bytes;
    for (const oldest of this.#reports.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    const kept = this.#reports.get(key);
    if (kept === undefined) return;
    this.#bytes -= bytesOf(key, kept);
    this.#reports.delete(key);
  }
}

function bytesOf(key: string, { text }: Report): number {
  return text.length + key.length + ENTRY_BYTES;
}
