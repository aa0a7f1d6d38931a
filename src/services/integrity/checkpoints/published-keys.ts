/**
 * The public keys as anyone may ask for them: this process' own, and those that are vouched for. Read once in a while,
 * however often they are asked for.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import type { CheckpointReads } from './checkpoint-reads.ts';
import { keysThatCount } from './key-vouchers.ts';
import { type PublicJwk, renderJwk, type SigningKey } from './signing-key.ts';

/** The route is open, and a caller without a key must not be able to keep the database busy. */
const KEPT_MS = 1000;

export class PublishedKeys {
  readonly #reads: CheckpointReads;
  readonly #clock: Clock;
  readonly #own: SigningKey;
  #kept: { readonly at: EpochMs; readonly keys: Promise<readonly PublicJwk[]> } | undefined;

  constructor(reads: CheckpointReads, clock: Clock, own: SigningKey) {
    this.#reads = reads;
    this.#clock = clock;
    this.#own = own;
  }

  list(): Promise<readonly PublicJwk[]> {
    const now = this.#clock.now();
    if (this.#kept !== undefined && now - this.#kept.at < KEPT_MS) return this.#kept.keys;
    const keys = this.#reads
      .keys()
      .then((stored) => [...keysThatCount(this.#own.known, stored).values()].map(renderJwk));
    this.#kept = { at: now, keys };
    keys.catch(() => {
      this.#kept = undefined; // who asks next asks the database
    });
    return keys;
  }
}
