/** What look-ups have found a moment ago, so that it is not asked for again. */

/** Answers, and their length with what they are the answers to: a key may be as long as a message. */
const KEPT_MAX = 10_000;
const KEPT_LENGTH = 16 * 1024 * 1024;

export interface KeptLookUp {
  /** JSON as text; null if nothing was found. */
  readonly value: string | null;
}

export class KeptLookUps {
  readonly #kept = new Map<string, KeptLookUp & { readonly until: number }>();
  #length = 0;

  find(ref: string): KeptLookUp | undefined {
    const kept = this.#kept.get(ref);
    return kept !== undefined && kept.until > performance.now() ? kept : undefined;
  }

  keep(ref: string, value: string | null, forMs: number): void {
    const length = lengthOf(ref, value);
    if (forMs <= 0 || length > KEPT_LENGTH) return;
    this.#drop(ref);
    if (this.#kept.size >= KEPT_MAX || this.#length + length > KEPT_LENGTH) {
      this.#kept.clear();
      this.#length = 0;
    }
    this.#length += length;
    this.#kept.set(ref, { until: performance.now() + forMs, value });
  }

  #drop(ref: string): void {
    const kept = this.#kept.get(ref);
    if (kept === undefined) return;
    this.#length -= lengthOf(ref, kept.value);
    this.#kept.delete(ref);
  }
}

function lengthOf(ref: string, value: string | null): number {
  return ref.length + (value?.length ?? 0);
}
