/** What look-ups have found a moment ago, so that it is not asked for again. */
import { KeptByLength } from '../kept-by-length.ts';

/** Answers, and their length with what they are the answers to: a key may be as long as a message. */
const KEPT_MAX = 10_000;
const KEPT_LENGTH = 16 * 1024 * 1024;

export interface KeptLookUp {
  /** JSON as text; null if nothing was found. */
  readonly value: string | null;
}

export class KeptLookUps {
  readonly #kept = new KeptByLength<KeptLookUp & { readonly until: number }>({
    most: KEPT_MAX,
    mostLength: KEPT_LENGTH,
  });

  find(ref: string): KeptLookUp | undefined {
    const kept = this.#kept.find(ref);
    return kept !== undefined && kept.until > performance.now() ? kept : undefined;
  }

  keep(ref: string, value: string | null, forMs: number): void {
    if (forMs <= 0) return;
    this.#kept.keep(ref, { until: performance.now() + forMs, value }, ref.length + (value?.length ?? 0));
  }
}
