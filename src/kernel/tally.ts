/** How much each has. Who has nothing takes no memory. */
export class Tally<Key> {
  readonly #amounts = new Map<Key, number>();

  of(key: Key): number {
    return this.#amounts.get(key) ?? 0;
  }

  add(key: Key, amount: number): void {
    this.#amounts.set(key, this.of(key) + amount);
  }

  /** Not below nothing. */
  subtract(key: Key, amount: number): void {
    const left = this.of(key) - amount;
    if (left > 0) this.#amounts.set(key, left);
    else this.#amounts.delete(key);
  }
}
