/** How many rows the next page has, so that a page takes about as long as it should whatever the machine and the rows. */
export const TARGET_MS = 300;

export class PageSize {
  readonly #least: number;
  readonly #most: number;
  readonly #targetMs: number;
  #rows: number;

  /** `bounds` are of pages of the usual length; those of shorter ones are in proportion. */
  constructor(
    bounds: { readonly first: number; readonly least: number; readonly most: number },
    targetMs: number = TARGET_MS,
  ) {
    const scaled = (rows: number) => Math.max(1, Math.round((rows * targetMs) / TARGET_MS));
    this.#targetMs = targetMs;
    this.#rows = scaled(bounds.first);
    this.#least = scaled(bounds.least);
    this.#most = scaled(bounds.most);
  }

  get rows(): number {
    return this.#rows;
  }

  /** Half or double at a time: one slow page, of a cold cache, does not make all that follow small. */
  took(durationMs: number): void {
    if (durationMs > 2 * this.#targetMs) this.#rows = Math.max(this.#least, Math.floor(this.#rows / 2));
    else if (durationMs < this.#targetMs / 2) this.#rows = Math.min(this.#most, this.#rows * 2);
  }
}
