/** Names of accounts that have a row, as committed. We delete none, so a name stays right for ever. */
import { type AccountName, nameText } from './posting.ts';

/** Some 150 bytes each: 15 MB at most. What is forgotten costs an insert that inserts nothing. */
const REMEMBERED_MAX = 100_000;

export class KnownNames {
  readonly #names = new Set<string>();

  has(name: AccountName): boolean {
    return this.#names.has(nameText(name));
  }

  add(names: readonly AccountName[]): void {
    for (const name of names) {
      if (this.#names.size >= REMEMBERED_MAX) this.#names.clear();
      this.#names.add(nameText(name));
    }
  }

  /** Somebody has deleted rows. */
  clear(): void {
    this.#names.clear();
  }
}
