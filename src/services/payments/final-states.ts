/**
 * Waiting for a payment's end, for callers that asked for it (`Prefer: wait`). An end that this process writes is
 * heard of at once; one that another process writes is found by looking.
 */
import type { Payment } from './payment.ts';
import { isFinal } from './payment.ts';
import type { StatusChange } from './store.ts';

/** How often a payment whose end may be written elsewhere is looked at. */
const LOOK_EVERY_MS = 100;
/** What a payment under way takes, many times over. */
const STOP_GRACE_MS = 1000;

export class FinalStates {
  readonly #find: (tenant: string, uuid: string) => Promise<Payment | undefined>;
  readonly #waiting = new Map<string, Set<() => void>>();
  /** On the clock of `performance`. */
  #stopAt = Number.POSITIVE_INFINITY;

  constructor(find: (tenant: string, uuid: string) => Promise<Payment | undefined>) {
    this.#find = find;
  }

  /** Told by the status consumer after its commit. */
  noteChanges(changes: readonly StatusChange[]): void {
    if (this.#waiting.size === 0) return;
    for (const { uuid } of changes) for (const wake of this.#waiting.get(uuid) ?? []) wake();
  }

  /** The process is about to end: whoever waits is given a moment more, and then told that the end has not come. */
  stop(): void {
    this.#stopAt = performance.now() + STOP_GRACE_MS;
    for (const wakers of this.#waiting.values()) for (const wake of wakers) wake();
  }

  /** The payment in its final state, or undefined if it did not end within `timeoutMs`. */
  wait(tenant: string, uuid: string, timeoutMs: number): Promise<Payment | undefined> {
    return this.#waitUntil(tenant, uuid, performance.now() + timeoutMs);
  }

  async #waitUntil(tenant: string, uuid: string, deadline: number): Promise<Payment | undefined> {
    const payment = await this.#find(tenant, uuid);
    if (payment !== undefined && isFinal(payment.status)) return payment;
    const leftMs = Math.min(deadline, this.#stopAt) - performance.now();
    if (leftMs <= 0) return undefined;
    await this.#nextChange(uuid, Math.min(leftMs, LOOK_EVERY_MS));
    return this.#waitUntil(tenant, uuid, deadline);
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
