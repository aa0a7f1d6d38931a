/** How many rows the next page has, so that a page takes about as long as it should whatever the machine and the rows. */
const TARGET_MS = 300;

export class PageSize {
  readonly #least: number;
  readonly #most: number;
  #rows: number;

  constructor(bounds: { readonly first: number; readonly least: number; readonly most: number }) {
    this.#rows = bounds.first;
    this.#least = bounds.least;
    this.#most = bounds.most;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Half or double at a time: one slow page, of a cold cache, does not make all that follow small. */
  took(durationMs: number): void {
    if (durationMs > 2 * TARGET_MS) this.#rows = Math.max(this.#least, Math.floor(this.#rows / 2));
    else if (durationMs < TARGET_MS / 2) this.#rows = Math.min(this.#most, this.#rows * 2);
  }
}
