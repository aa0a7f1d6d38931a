/**
 * Waiting for the end of what a saga works on, for callers that asked for it (`Prefer: wait`). An end that this process
 * writes is heard of at once; one that another process writes is found by looking.
 */

import { NoTurn, readingTenant } from '#platform/postgres/read-turns.ts';

/** How often a resource whose end may be written elsewhere is looked at. */
const LOOK_EVERY_MS = 100;
/** What a saga under way takes, many times over. */
const STOP_GRACE_MS = 1000;

interface Awaited {
  readonly tenant: string;
  readonly uuid: string;
  readonly from: string | undefined;
}

type Find<Resource> = (tenant: string, uuid: string) => Promise<Resource | undefined>;

/** Of one kind of resource. */
export class FinalStates<Resource extends { readonly status: string }> {
  readonly #find: Find<Resource>;
  readonly #isFinal: (status: string) => boolean;
  readonly #waiting = new Map<string, Set<() => void>>();
  /** On the clock of `performance`. */
  #stopAt = Number.POSITIVE_INFINITY;

  constructor(find: Find<Resource>, isFinal: (status: string) => boolean) {
    this.#find = find;
    this.#isFinal = isFinal;
  }

  /** Told after a commit that changed a status; what nobody waits for does not matter. */
  noteChanges(changes: readonly { readonly uuid: string }[]): void {
    if (this.#waiting.size === 0) return;
    for (const { uuid } of changes) for (const wake of this.#waiting.get(uuid) ?? []) wake();
  }

  /** The process is about to end: whoever waits is given a moment more, and then told that the end has not come. */
  stop(): void {
    this.#stopAt = performance.now() + STOP_GRACE_MS;
    for (const wakers of this.#waiting.values()) for (const wake of wakers) wake();
  }

  /**
   * The resource in its final state, or undefined if it did not end within `timeoutMs`. `from`: a final status that it
   * has already, and is to leave for another.
   */
  wait(tenant: string, uuid: string, timeoutMs: number, from?: string): Promise<Resource | undefined> {
    return this.#waitUntil({ tenant, uuid, from }, performance.now() + timeoutMs);
  }

  async #waitUntil(awaited: Awaited, deadline: number): Promise<Resource | undefined> {
    const { tenant, uuid, from } = awaited;
    const found = await this.#look(tenant, uuid);
    if (found !== undefined && this.#isFinal(found.status) && found.status !== from) return found;
    const leftMs = Math.min(deadline, this.#stopAt) - performance.now();
    if (leftMs <= 0) return undefined;
    await this.#nextChange(uuid, Math.min(leftMs, LOOK_EVERY_MS));
    return this.#waitUntil(awaited, deadline);
  }

  /** Without a turn to read nothing is known: the next look may have one. */
  async #look(tenant: string, uuid: string): Promise<Resource | undefined> {
    try {
      return await readingTenant.run(tenant, () => this.#find(tenant, uuid));
    } catch (error) {
      if (error instanceof NoTurn) return undefined;
      throw error;
    }
  }

  async #nextChange(uuid: string, timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wakers = this.#waiting.get(uuid) ?? new Set();
      this.#waiting.set(uuid, wakers);
      const wake = (): void => {
        clearTimeout(timer);
        wakers.delete(wake);
        if (wakers.size === 0) this.#waiting.delete(uuid);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      wakers.add(wake);
    });
  }
}
