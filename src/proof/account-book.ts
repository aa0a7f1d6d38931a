/**
 * Every account as the logs tell of it: opened, closed, what was posted to it and what is held, added up from the first
 * event. In memory, some 200 bytes an account.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { OpenedAccount, TracedEntry } from './event-data.ts';

export interface AccountFromLog {
  readonly tenant: string;
  readonly id: string;
  /** In the ledger's tables, once looked up; undefined as long as the tables do not know the account. */
  key: bigint | undefined;
  /** Undefined: something was posted to an account that no event opened. */
  opened: (OpenedAccount & { readonly at: EpochMs }) | undefined;
  closed: boolean;
  postedMinor: bigint;
  heldMinor: bigint;
  postings: number;
  lastSequence: number;
  /** Set by the comparison with the tables. */
  seen: boolean;
}

/** Purposes of entries that capture a hold of the account they debit. */
const CAPTURING: ReadonlySet<string> = new Set(['payment', 'refund']);

export class AccountBook {
  readonly #accounts = new Map<string, AccountFromLog>();
  readonly #byKey = new Map<bigint, AccountFromLog>();

  get size(): number {
    return this.#accounts.size;
  }

  all(): IterableIterator<AccountFromLog> {
    return this.#accounts.values();
  }

  find(tenant: string, id: string): AccountFromLog | undefined {
    return this.#accounts.get(`${tenant}/${id}`);
  }

  /** Neither tenants nor account ids have a slash. */
  at(tenant: string, id: string): AccountFromLog {
    const ref = `${tenant}/${id}`;
    let account = this.#accounts.get(ref);
    if (account === undefined) {
      account = {
        tenant,
        id,
        key: undefined,
        opened: undefined,
        closed: false,
        postedMinor: 0n,
        heldMinor: 0n,
        postings: 0,
        lastSequence: 0,
        seen: false,
      };
      this.#accounts.set(ref, account);
    }
    return account;
  }

  /** By the key that the tables gave it. */
  byKey(key: bigint): AccountFromLog | undefined {
    return this.#byKey.get(key);
  }

  know(account: AccountFromLog, key: bigint): void {
    account.key = key;
    this.#byKey.set(key, account);
  }

  post(entry: TracedEntry): void {
    for (const posting of entry.postings) {
      const account = this.at(entry.tenant, posting.accountId);
      account.postedMinor += BigInt(posting.amountMinor);
      account.postings++;
      account.lastSequence = Math.max(account.lastSequence, posting.sequence);
      // The entry of a payment or a refund spends what its hold set aside.
      if (CAPTURING.has(entry.purpose) && posting.amountMinor < 0)
        account.heldMinor += BigInt(posting.amountMinor);
    }
  }

  /** Positive when a hold is placed, negative when it is given back. */
  hold(tenant: string, id: string, amountMinor: number): void {
    this.at(tenant, id).heldMinor += BigInt(amountMinor);
  }
}
