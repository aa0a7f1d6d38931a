/**
 * What this process knows of keys, so that a request does not ask the database who it is.
 *
 * V1: nothing that was read longer ago than TRUSTED_MS is believed: a revocation, in whatever process, holds
 *     everywhere within a second.
 * V2: a key in use is read again in the background before it gets that old, so its requests never wait.
 * V3: however many strangers knock, one query at a time asks about all of them, and what is remembered is bounded.
 * V4: if the database cannot be asked, nobody is let in on older knowledge: the requests fail with the store's fault.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import type { ApiKeyId } from '#kernel/ids.ts';
import type { Principal } from '#platform/http/principal.ts';
import { claimedId, isKeyOf } from './api-key.ts';
import type { AccessStore, StoredKey } from './store.ts';

/** V1 */
const TRUSTED_MS = 1_000;
/** V2 */
const REFRESH_AFTER_MS = 500;
/** V3. Of ids, 100 bytes each, that exist; the least recently read is forgotten. */
const MAX_KNOWN = 100_000;
/** V3. Of ids that do not exist. */
const MAX_UNKNOWN = 10_000;
/** V3. A query's share of those who wait. */
const MAX_IDS_A_QUERY = 500;
/** V3. Beyond it, requests are told to come again. */
const MAX_WAITING = 10_000;
/** `last_used_at` is for people who look for idle keys: a minute is exact enough. */
const NOTE_USE_EVERY_MS = 60_000;

interface KnownKey {
  readonly id: ApiKeyId;
  readonly hash: Buffer;
  readonly principal: Principal;
  readonly expiresAt: EpochMs;
  readonly readAt: EpochMs;
  /** When this process last had it noted, or found it noted, that the key is used. */
  notedAt: EpochMs;
}

type Knowledge = KnownKey | undefined;

interface Waiting {
  readonly result: Promise<Knowledge>;
  readonly resolve: (known: Knowledge) => void;
  readonly reject: (fault: unknown) => void;
}

export class KeyCache {
  readonly #store: Pick<AccessStore, 'findKeys' | 'noteUse'>;
  readonly #clock: Clock;
  readonly #known = new Map<ApiKeyId, KnownKey>();
  /** Ids that were looked for in vain, and when. */
  readonly #unknown = new Map<ApiKeyId, EpochMs>();
  readonly #waiting = new Map<ApiKeyId, Waiting>();
  readonly #used = new Set<ApiKeyId>();
  #reading: Promise<void> | undefined;
  #noting: Promise<void> | undefined;

  constructor(store: Pick<AccessStore, 'findKeys' | 'noteUse'>, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** At once if the key is known, otherwise when the database has told. Rejects with the store's fault (V4). */
  verify(text: string): Principal | undefined | Promise<Principal | undefined> {
    const id = claimedId(text);
    if (id === undefined) return undefined;
    const now = this.#clock.now();
    const known = this.#known.get(id);
    if (known !== undefined && isWithin(TRUSTED_MS, known.readAt, now)) {
      if (!isWithin(REFRESH_AFTER_MS, known.readAt, now)) this.#refresh(id);
      return this.#admit(text, known);
    }
    const missedAt = this.#unknown.get(id);
    if (missedAt !== undefined && isWithin(TRUSTED_MS, missedAt, now)) return undefined;
    return this.#read(id).then((found) => this.#admit(text, found));
  }

  /** So that this process need not wait to notice what it did itself. */
  forget(id: ApiKeyId): void {
    this.#known.delete(id);
    this.#unknown.delete(id);
  }

  /** When nothing runs in the background any more: the database may be closed. */
  async settled(): Promise<void> {
    while (this.#reading !== undefined || this.#noting !== undefined) {
      // oxlint-disable-next-line no-await-in-loop -- the one may start while the other ends
      await Promise.all([this.#reading, this.#noting]);
    }
  }

  #admit(text: string, known: Knowledge): Principal | undefined {
    if (known === undefined || !isKeyOf(text, known.hash)) return undefined;
    const now = this.#clock.now();
    if (now >= known.expiresAt) return undefined;
    if (!isWithin(NOTE_USE_EVERY_MS, known.notedAt, now)) this.#noteUse(known, now);
    return known.principal;
  }

  // V2
  #refresh(id: ApiKeyId): void {
    this.#read(id).catch(() => this.forget(id)); // V4: who comes next asks again, and hears of the fault
  }

  #read(id: ApiKeyId): Promise<Knowledge> {
    const known = this.#waiting.get(id);
    if (known !== undefined) return known.result;
    if (this.#waiting.size >= MAX_WAITING) return Promise.reject(tooManyWaiting());
    const { promise, resolve, reject } = Promise.withResolvers<Knowledge>();
    this.#waiting.set(id, { result: promise, resolve, reject });
    this.#reading ??= this.#readWaiting();
    return promise;
  }

  // V3
  async #readWaiting(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting].slice(0, MAX_IDS_A_QUERY);
      const readAt = this.#clock.now(); // V1: what is read is at least as new as this
      try {
        // oxlint-disable-next-line no-await-in-loop -- one query at a time is the point
        const found = await this.#store.findKeys(batch.map(([id]) => id));
        this.#learn(batch, found, readAt);
      } catch (fault) {
        for (const [id, waiting] of batch) this.#settle(id, () => waiting.reject(fault));
      }
    }
    this.#reading = undefined;
  }

  #learn(batch: readonly [ApiKeyId, Waiting][], found: readonly StoredKey[], readAt: EpochMs): void {
    const byId = new Map(found.map((key) => [key.id, key]));
    for (const [id, waiting] of batch) {
      const key = byId.get(id);
      const known = key === undefined || key.isRevoked ? undefined : knownKey(key, readAt);
      this.forget(id);
      if (known === undefined) remember(this.#unknown, { id, value: readAt, atMost: MAX_UNKNOWN });
      else remember(this.#known, { id, value: known, atMost: MAX_KNOWN });
      this.#settle(id, () => waiting.resolve(known));
    }
  }

  #settle(id: ApiKeyId, answer: () => void): void {
    this.#waiting.delete(id);
    answer();
  }

  #noteUse(known: KnownKey, now: EpochMs): void {
    known.notedAt = now;
    this.#used.add(known.id);
    this.#noting ??= this.#noteUsed();
  }

  async #noteUsed(): Promise<void> {
    const ids = [...this.#used];
    this.#used.clear();
    const usedAt = this.#clock.now();
    try {
      await this.#store.noteUse(ids, { usedAt, notSince: usedAt - NOTE_USE_EVERY_MS });
      this.#noting = this.#used.size > 0 ? this.#noteUsed() : undefined;
    } catch {
      // The next use that is noted takes these with it; no request depends on it.
      for (const id of ids) this.#used.add(id);
      this.#noting = undefined;
    }
  }
}

/** False also if the clock was set back: what was read in its future is of unknown age. */
function isWithin(ms: number, since: EpochMs, now: EpochMs): boolean {
  return now >= since && now - since <= ms;
}

function knownKey(key: StoredKey, readAt: EpochMs): KnownKey {
  return {
    id: key.id,
    hash: key.hash,
    principal: { tenant: key.tenant, keyId: key.id, scopes: new Set(key.scopes) },
    expiresAt: key.expiresAt ?? Number.POSITIVE_INFINITY,
    readAt,
    notedAt: key.lastUsedAt ?? Number.NEGATIVE_INFINITY,
  };
}

/** Puts an entry last, and drops the first if there are too many. */
function remember<Value>(
  map: Map<ApiKeyId, Value>,
  entry: { id: ApiKeyId; value: Value; atMost: number },
): void {
  map.delete(entry.id);
  map.set(entry.id, entry.value);
  if (map.size <= entry.atMost) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

function tooManyWaiting(): Fault {
  return new Fault('too many requests wait for their keys to be looked up', { transient: true });
}
