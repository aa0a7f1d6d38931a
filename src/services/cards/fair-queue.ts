/**
 * What waits to be decided: in the order it came, but so that no card stands in front of the others, nor what has time in front
 * of what has none. A batch takes of one card at most a part as long as others wait, of what has time no more than a part as
 * long as what has none waits; and nothing of a card that was found locked just now.
 */

/** Of a batch, what one card may take while others wait: a hot card still fills a batch that nobody else wants. */
const KEY_PART = 0.25;
/** Also of a small batch. */
const KEY_MIN = 2;
/** Of a batch, what is left to what has time, however much has none: it waits longer, not for ever. */
const PATIENT_PART = 0.25;

export interface Queueing<Item> {
  /** An item without a key stands for itself. */
  readonly keyOf: (item: Item) => string | undefined;
  /** Whether it has time, from when it is pushed until it is taken. */
  readonly isPatient: (item: Item) => boolean;
}

export class FairQueue<Item> {
  readonly #queueing: Queueing<Item>;
  #hurried: Item[] = [];
  #patient: Item[] = [];
  /** Until when which keys are left alone. */
  readonly #asides = new Map<string, number>();

  constructor(queueing: Queueing<Item>) {
    this.#queueing = queueing;
  }

  get size(): number {
    return this.#hurried.length + this.#patient.length;
  }

  get hurried(): number {
    return this.#hurried.length;
  }

  get patient(): number {
    return this.#patient.length;
  }

  push(...items: readonly Item[]): void {
    for (const item of items) (this.#queueing.isPatient(item) ? this.#patient : this.#hurried).push(item);
  }

  /** Leaves what has the item's key alone until then. */
  setAside(item: Item, until: number): void {
    const key = this.#queueing.keyOf(item);
    if (key !== undefined) this.#asides.set(key, until);
  }

  /** Of what has no time. */
  takeHurried(matches: (item: Item) => boolean): Item[] {
    const taken = this.#hurried.filter(matches);
    if (taken.length > 0) this.#hurried = this.#hurried.filter((item) => !matches(item));
    return taken;
  }

  take(limit: number, now: number): Item[] {
    this.#forgetAsides(now);
    const patient = this.#patient.filter((item) => !this.#isAside(item));
    const left = Math.min(patient.length, Math.ceil(limit * PATIENT_PART));
    const hurried = this.#choose(
      this.#hurried.filter((item) => !this.#isAside(item)),
      limit - left,
    );
    const others = this.#choose(patient, limit - hurried.length);
    this.#hurried = without(this.#hurried, hurried);
    this.#patient = without(this.#patient, others);
    return [...hurried, ...others];
  }

  /** First of every key its part; then, as there is room, the others. */
  #choose(items: readonly Item[], limit: number): readonly Item[] {
    if (items.length <= limit) return items;
    const part = Math.max(KEY_MIN, Math.floor(limit * KEY_PART));
    const counts = new Map<string, number>();
    const chosen: Item[] = [];
    const beyond: Item[] = [];
    for (const item of items) {
      if (chosen.length === limit) break;
      const key = this.#queueing.keyOf(item);
      const count = key === undefined ? 0 : (counts.get(key) ?? 0);
      if (key !== undefined) counts.set(key, count + 1);
      (count < part ? chosen : beyond).push(item);
    }
    return [...chosen, ...beyond.slice(0, limit - chosen.length)];
  }

  #isAside(item: Item): boolean {
    if (this.#asides.size === 0) return false;
    const key = this.#queueing.keyOf(item);
    return key !== undefined && this.#asides.has(key);
  }

  #forgetAsides(now: number): void {
    for (const [key, until] of this.#asides) if (until <= now) this.#asides.delete(key);
  }
}

function without<Item>(items: Item[], taken: readonly Item[]): Item[] {
  if (taken.length === 0) return items;
  if (taken.length === items.length) return [];
  const gone = new Set(taken);
  return items.filter((item) => !gone.has(item));
}
