/**
 * Rendered reports, the least recently read ones forgotten first. A report is kept with the change of its accounts that it
 * was made at, and given only at that change: whoever changed them since, in this process or another, it is made anew. What
 * the consumer of this process has changed is forgotten at once, so that it takes no room.
 */

/** Of texts, which take at most twice as much. */
const CHARACTERS_MAX = 16 * 1024 * 1024;

export interface Report {
  /** Which changes of which accounts. */
  readonly stamp: string;
  /** What follows the lag. */
  readonly text: string;
}

interface Kept extends Report {
  /** By `nameText`. */
  readonly accounts: readonly string[];
}

export class ReportCache {
  readonly #charactersMax: number;
  readonly #reports = new Map<string, Kept>();
  readonly #byAccount = new Map<string, Set<string>>();
  #characters = 0;

  constructor(charactersMax = CHARACTERS_MAX) {
    this.#charactersMax = charactersMax;
  }

  get size(): number {
    return this.#reports.size;
  }

  find(key: string, stamp: string): string | undefined {
    const kept = this.#reports.get(key);
    if (kept === undefined) return undefined;
    if (kept.stamp !== stamp) {
      this.#forget(key, kept);
      return undefined;
    }
    this.#reports.delete(key);
    this.#reports.set(key, kept); // the last one is the one read last
    return kept.text;
  }

  keep(key: string, report: Kept): void {
    const before = this.#reports.get(key);
    if (before !== undefined) this.#forget(key, before);
    if (report.text.length > this.#charactersMax) return;
    this.#reports.set(key, report);
    this.#characters += report.text.length;
    for (const account of report.accounts) this.#keysOf(account).add(key);
    for (const [oldest, kept] of this.#reports) {
      if (this.#characters <= this.#charactersMax) break;
      this.#forget(oldest, kept);
    }
  }

  /** By `nameText`: their days have changed. */
  changed(accounts: readonly string[]): void {
    for (const account of accounts) {
      for (const key of this.#byAccount.get(account) ?? []) {
        const kept = this.#reports.get(key);
        if (kept !== undefined) this.#forget(key, kept);
      }
    }
  }

  #keysOf(account: string): Set<string> {
    let keys = this.#byAccount.get(account);
    if (keys === undefined) this.#byAccount.set(account, (keys = new Set()));
    return keys;
  }

  #forget(key: string, kept: Kept): void {
    this.#reports.delete(key);
    this.#characters -= kept.text.length;
    for (const account of kept.accounts) {
      const keys = this.#byAccount.get(account);
      keys?.delete(key);
      if (keys?.size === 0) this.#byAccount.delete(account);
    }
  }
}
