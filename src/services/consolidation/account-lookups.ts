/**
 * Asks what stands of accounts for the requests of a moment in one query: while one runs, those that come gather for the
 * next. So each answer is of after its request came, at a thousandth of a query each under load.
 */

import { type AccountName, nameText } from './posting.ts';
import type { AccountLook, DayReads } from './reads.ts';

/** Names of one query. */
const NAMES_MAX = 500;

interface Waiting {
  readonly name: AccountName;
  readonly resolve: (look: AccountLook | undefined) => void;
  readonly reject: (error: unknown) => void;
}

export class AccountLookups {
  readonly #reads: Pick<DayReads, 'lookAt'>;
  readonly #waiting: Waiting[] = [];
  #isAsking = false;

  constructor(reads: Pick<DayReads, 'lookAt'>) {
    this.#reads = reads;
  }

  /** Undefined if the logs have not told of it yet. */
  find(name: AccountName): Promise<AccountLook | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ name, resolve, reject });
      if (!this.#isAsking) void this.#ask();
    });
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const asked = this.#waiting.splice(0, NAMES_MAX);
    await this.#answer(asked).catch((error: unknown) => {
      for (const { reject } of asked) reject(error);
    });
    this.#isAsking = false;
    if (this.#waiting.length > 0) void this.#ask();
  }

  async #answer(asked: readonly Waiting[]): Promise<void> {
    const names = new Map(asked.map(({ name }) => [nameText(name), name]));
    const looks = await this.#reads.lookAt([...names.values()]);
    const byName = new Map(looks.map((look) => [nameText(look), look]));
    for (const { name, resolve } of asked) resolve(byName.get(nameText(name)));
  }
}
