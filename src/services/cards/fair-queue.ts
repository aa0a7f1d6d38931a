/**
 * What waits to be decided: in the order it came, but so that no card stands in front of the others. A batch takes of one
 * card at most a part as long as others wait; and nothing of a card that was found locked just now.
 */

/** Of a batch, what one card may take while others wait: a hot card still fills a batch that nobody else wants. */
const KEY_PART = 0.25;
/** Also of a small batch. */
const KEY_MIN = 2;

export class FairQueue<Item> {
  readonly #keyOf: (item: Item) => string | undefined;
  #items: Item[] = [];
  /** Until when which keys are left alone. */
  readonly #asides = new Map<string, number>();

  /** An item without a key stands for itself. */
  constructor(keyOf: (item: Item) => string | undefined) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#items.length;
  }

  push(...items: readonly Item[]): void {
    this.#items.push(...items);
  }

  /** Leaves what has the item's key alone until then. */
  setAside(item: Item, until: number): void {
    const key = this.#keyOf(item);
    if (key !== undefined) this.#asides.set(key, until);
  }

  takeWhere(matches: (item: Item) => boolean): Item[] {
    const taken = this.#items.filter(matches);
    if (taken.length > 0) this.#items = this.#items.filter((item) => !matches(item));
    return taken;
  }

  take(limit: number, now: number): Item[] {
    this.#forgetAsides(now);
    const items = this.#items.filter((item) => !this.#isAside(item));
    const taken = items.length <= limit ? items : this.#choose(items, limit);
    const gone = new Set(taken);
    this.#items = taken.length === this.#items.length ? [] : this.#items.filter((item) => !gone.has(item));
    return taken;
  }

  /** First of every key its part; then, as there is room, the others. */
  #choose(items: readonly Item[], limit: number): Item[] {
    const part = Math.max(KEY_MIN, Math.floor(limit * KEY_PART));
    const counts = new Map<string, number>();
    const chosen: Item[] = [];
    const beyond: Item[] = [];
    for (const item of items) {
      if (chosen.length === limit) break;
      const key = this.#keyOf(item);
      const count = key === undefined ? 0 : (counts.get(key) ?? 0);
      if (key !== undefined) counts.set(key, count + 1);
      (count < part ? chosen : beyond).push(item);
    }
    return [...chosen, ...beyond.slice(0, limit - chosen.length)];
  }

  #isAside(item: Item): boolean {
    if (this.#asides.size === 0) return false;
    const key = this.#keyOf(item);
    return key !== undefined && this.#asides.has(key);
  }

  #forgetAsides(now: number): void {
    for (const [key, until] of this.#asides) if (until <= now) this.#asides.delete(key);
  }
}
