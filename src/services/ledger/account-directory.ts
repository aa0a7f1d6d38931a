/**
 * What never changes about accounts, remembered: tenant and id → key, kind, currency, floor. Accounts are never
 * deleted, so an entry stays right for ever; status and balances are not here, they are read under their lock.
 */
import type { Account } from './books.ts';
import { accountRef } from './books.ts';

/** Some 300 bytes each: 30 MB at most. */
const REMEMBERED_MAX = 100_000;

export class AccountDirectory {
  readonly #accounts = new Map<string, Account>();

  find(ref: string): Account | undefined {
    return this.#accounts.get(ref);
  }

  remember(account: Account): void {
    if (this.#accounts.size >= REMEMBERED_MAX) {
      const oldest = this.#accounts.keys().next();
      if (!oldest.done) this.#accounts.delete(oldest.value);
    }
    this.#accounts.set(accountRef(account), account);
  }
}
