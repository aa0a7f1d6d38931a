/**
 * Who reads next, where more want to than there are connections. Tenants take turns, a query each, and no tenant has
 * them all: however much one asks for, a quarter of the connections is there for the others.
 *
 * T1: no more turns are taken than there are connections, and no more than its share by one tenant.
 * T2: of one tenant's, who came first goes first; a tenant that had its turn goes behind the others that wait.
 * T3: nobody waits longer than MAX_WAIT_MS, and no tenant has more than MAX_WAITING that wait.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Fault } from '#kernel/fault.ts';
import { Tally } from '#kernel/tally.ts';

/** T3. As long as for a connection. */
const MAX_WAIT_MS = 5000;
/** T3. Per tenant: some seconds of pages. One connection can send thousands of requests without reading an answer. */
const MAX_WAITING = 1000;

/** For whom a request reads. Nothing is set for what the product reads for itself: it takes turns like one tenant, without a share. */
export const readingTenant = new AsyncLocalStorage<string>();

/** There was no turn for the read. Made once, without a stack of its own: whoever floods us is to cost little. */
export class NoTurn extends Fault {}

const TOO_MANY_WAIT = new NoTurn('too many reads of the tenant wait for their turn', { transient: true });
const WAITED_IN_VAIN = new NoTurn(`the read had no turn within ${MAX_WAIT_MS} ms`, { transient: true });

type Caller = string | undefined;

interface Waiting {
  readonly go: () => void;
}

export class ReadTurns {
  readonly #connections: number;
  readonly #share: number;
  readonly #taken = new Tally<Caller>();
  /** In the order of turns; a caller of whom nobody waits is not in it. */
  readonly #waiting = new Map<Caller, Set<Waiting>>();
  #free: number;

  constructor(connections: number) {
    this.#connections = connections;
    this.#free = connections;
    this.#share = Math.max(1, connections - Math.ceil(connections / 4));
  }

  /** Runs `read` when it is the caller's turn. */
  async inTurn<T>(caller: Caller, read: () => Promise<T>): Promise<T> {
    if (!this.#mayGo(caller)) await this.#wait(caller);
    else this.#take(caller);
    try {
      return await read();
    } finally {
      this.#giveBack(caller);
    }
  }

  // T1
  #mayGo(caller: Caller): boolean {
    const share = caller === undefined ? this.#connections : this.#share;
    return this.#free > 0 && this.#taken.of(caller) < share;
  }

  #take(caller: Caller): void {
    this.#free -= 1;
    this.#taken.add(caller, 1);
  }

  #giveBack(caller: Caller): void {
    this.#free += 1;
    this.#taken.subtract(caller, 1);
    this.#callNext();
  }

  // T2
  #callNext(): void {
    for (const [caller, queue] of this.#waiting) {
      if (!this.#mayGo(caller)) continue;
      this.#waiting.delete(caller);
      const [first, second] = queue;
      if (second !== undefined) this.#waiting.set(caller, queue); // behind the others
      if (first === undefined) continue;
      queue.delete(first);
      this.#take(caller);
      first.go();
      return;
    }
  }

  // T3
  #wait(caller: Caller): Promise<void> {
    const queue = this.#waiting.get(caller) ?? new Set();
    if (queue.size >= MAX_WAITING) return Promise.reject(TOO_MANY_WAIT);
    this.#waiting.set(caller, queue);
    return new Promise((resolve, reject) => {
      const waiting = {
        go: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#leave(caller, waiting);
        reject(WAITED_IN_VAIN);
      }, MAX_WAIT_MS);
      queue.add(waiting);
    });
  }

  #leave(caller: Caller, waiting: Waiting): void {
    const queue = this.#waiting.get(caller);
    queue?.delete(waiting);
    if (queue?.size === 0) this.#waiting.delete(caller);
  }
}
