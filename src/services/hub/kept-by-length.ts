/** What was read a moment ago, by key: up to so many, and up to so much length together. What there is no room beside makes way, all of it. */
export class KeptByLength<Value> {
  readonly #most: number;
  readonly #mostLength: number;
  readonly #kept = new Map<string, { readonly value: Value; readonly length: number }>();
  #length = 0;

  constructor({ most, mostLength }: { most: number; mostLength: number }) {
    this.#most = most;
    this.#mostLength = mostLength;
  }

  find(key: string): Value | undefined {
    return this.#kept.get(key)?.value;
  }

  keep(key: string, value: Value, length: number): void {
    if (length > this.#mostLength) return;
    this.#drop(key);
    if (this.#kept.size >= this.#most || this.#length + length > this.#mostLength) {
      this.#kept.clear();
      this.#length = 0;
    }
    this.#length += length;
    this.#kept.set(key, { value, length });
  }

  #drop(key: string): void {
    this.#length -= this.#kept.get(key)?.length ?? 0;
    this.#kept.delete(key);
  }
}
