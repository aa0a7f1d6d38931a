/**
 * One worker takes what arrived while the last commit ran, and commits it together. Alone, an item waits for nothing;
 * under load hundreds share one commit. What an item is, and what is written for it, is its owner's (command-worker.ts).
 *
 * C1: an outcome is given only after its commit is durable, or when it is known that nothing was written.
 * C3: one bad item never harms the others of its batch: a batch that fails on data is halved until it stands alone (R6).
 */
import { Fault } from '#kernel/fault.ts';
import type { AppendedSegment } from '../log/append.ts';
import type { EventLog } from '../log/event-log.ts';
import { DatabaseFault, isTransient } from '../postgres/faults.ts';
import type { Session, Transaction } from '../postgres/session.ts';
import { backoffMs } from './backoff.ts';
import type { BatchObserver } from './observer.ts';
import { restAfter } from './pace.ts';
import { type Cost, shareOut } from './share-out.ts';
import { Signal } from './signal.ts';

/** Of a batch, where items have a cost: some forty entries of five hundred postings, or thousands of payments. */
const BATCH_WEIGHT_MAX = 1024 * 1024;
/** Items waiting beyond this are refused at once: at 6000/s they would wait longer than their callers do. */
const QUEUE_MAX = 20_000;
/**
 * A key or reference that another process took meanwhile is found by the next try. What collides more often is at fault
 * itself, or so unlucky that in halves it is faster.
 */
const RACES_MAX = 4;
/** How long an item outlives a database that does not answer before its caller is told to try again. */
const RETRY_FOR_MS = 8000;
/** Only a wake-up brings work, and it is a level that cannot be missed; this bounds the damage if that is wrong. */
const IDLE_LOOK_MS = 60_000;

export class QueueFull extends Error {}

/** What a batch has sent, before its commit. */
export interface AppliedBatch<Outcome> {
  /** In the order of the items. */
  readonly outcomes: readonly Outcome[];
  readonly segments: Promise<AppendedSegment[]> | undefined;
  /** After the commit, before anybody hears of it. */
  readonly committed?: () => void;
}

export interface GroupCommitOptions<Item, Outcome> {
  /** In metrics and logs. */
  readonly name: string;
  readonly log: EventLog;
  readonly session: Session;
  readonly random: () => number;
  readonly batchMax: number;
  /** Least time between the starts of two batches under load (pace.ts), in ms. */
  readonly paceMs: number;
  /** Waited before each batch, in ms: how intake is slowed when the stages lag (backpressure). */
  readonly delayMs: () => number;
  /** How many of those that wait a batch takes at most, beside `batchMax`; default all. */
  readonly takes?: ((waiting: number) => number) | undefined;
  /** What an item takes of a batch, in bytes, and whose it is; default nothing. */
  readonly cost?: Cost<Item>;
  readonly observer: BatchObserver;
  /** Loads, decides, and sends the writes and the append. Called again for the same items if the commit failed. */
  readonly apply: (tx: Transaction, items: readonly Item[]) => Promise<AppliedBatch<Outcome>>;
}

interface Waiting<Item, Outcome> {
  readonly item: Item;
  readonly arrivedAt: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit<Item, Outcome> {
  readonly #options: GroupCommitOptions<Item, Outcome>;
  readonly #signal = new Signal();
  #queue: Waiting<Item, Outcome>[] = [];
  /** Of all that wait. */
  #weight = 0;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: GroupCommitOptions<Item, Outcome>) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Items not yet taken into a batch. */
  get waiting(): number {
    return this.#queue.length;
  }

  submit(item: Item): Promise<Outcome> {
    if (this.#stopping) return Promise.reject(new Fault('the process is stopping', { transient: true }));
    if (this.#queue.length >= QUEUE_MAX)
      return Promise.reject(new QueueFull('too many requests are waiting'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, arrivedAt: performance.now(), resolve, reject });
      this.#weight += this.#weightOf(item);
      this.#signal.raise();
    });
  }

  /** Finishes what is waiting, then stops. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!(this.#stopping && this.#queue.length === 0)) {
      if (this.#queue.length === 0) {
        await this.#signal.wait(IDLE_LOOK_MS);
        continue;
      }
      const delayMs = this.#stopping ? 0 : this.#options.delayMs();
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      const startedAt = performance.now();
      const { paceMs, batchMax, takes } = this.#options;
      const most = this.#stopping ? undefined : takes?.(this.#queue.length);
      const batch = this.#take(Math.min(batchMax, most ?? batchMax));
      const events = batch.length;
      await this.#settle(batch);
      if (!this.#stopping) await restAfter({ events, startedAt, paceMs, isFull: events >= batchMax });
    }
  }

  #take(most: number): Waiting<Item, Outcome>[] {
    const { cost } = this.#options;
    if (cost === undefined) return this.#queue.splice(0, most);
    const batch = this.#weight <= BATCH_WEIGHT_MAX ? this.#queue.splice(0, most) : this.#shareOut(most, cost);
    this.#weight -= batch.reduce((sum, { item }) => sum + cost.weightOf(item), 0);
    return batch;
  }

  #shareOut(most: number, { weightOf, ownerOf }: Cost<Item>): Waiting<Item, Outcome>[] {
    const room = { items: most, weight: BATCH_WEIGHT_MAX };
    const batch = shareOut(this.#queue, room, {
      weightOf: ({ item }) => weightOf(item),
      ownerOf: ({ item }) => ownerOf(item),
    });
    const taken = new Set(batch);
    this.#queue = this.#queue.filter((waiting) => !taken.has(waiting));
    return batch;
  }

  #weightOf(item: Item): number {
    return this.#options.cost?.weightOf(item) ?? 0;
  }

  /** Commits the batch, trying again and in halves as its failures ask for; every item of it is answered. */
  async #settle(batch: Waiting<Item, Outcome>[]): Promise<void> {
    let races = 0;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#commit(batch);
        return;
      } catch (error) {
        this.#options.observer.failed(this.#options.name, error);
        const isRace = error instanceof DatabaseFault && error.uniqueViolation;
        if (isTransient(error) || (isRace && ++races <= RACES_MAX)) {
          batch = this.#giveUpLate(batch, error);
          if (batch.length === 0) return;
          if (attempt > 1 && batch.length > 1 && error instanceof DatabaseFault && error.overwhelmed) {
            await this.#isolate(batch, error);
            return;
          }
          await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt, this.#options.random)));
          continue;
        }
        await this.#isolate(batch, error); // C3
        return;
      }
    }
  }

  async #isolate(batch: Waiting<Item, Outcome>[], error: unknown): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) {
      only.reject(error);
      return;
    }
    const middle = Math.ceil(batch.length / 2);
    await this.#settle(batch.slice(0, middle));
    await this.#settle(batch.slice(middle));
  }

  #giveUpLate(batch: Waiting<Item, Outcome>[], error: unknown): Waiting<Item, Outcome>[] {
    const now = performance.now();
    const [late, rest] = partitionBy(batch, (waiting) => now - waiting.arrivedAt > RETRY_FOR_MS);
    for (const waiting of late) {
      waiting.reject(
        new Fault('the database did not take the request in time', { transient: true, cause: error }),
      );
    }
    return rest;
  }

  async #commit(batch: readonly Waiting<Item, Outcome>[]): Promise<void> {
    const { session, log, observer, name, apply } = this.#options;
    const startedAt = performance.now();
    const { outcomes, segments, committed } = await session.transaction((tx) =>
      apply(
        tx,
        batch.map(({ item }) => item),
      ),
    );
    committed?.();
    batch.forEach((waiting, index) => waiting.resolve(outcomes[index] as Outcome)); // C1
    if (segments !== undefined) log.publish(await segments);
    observer.committed(name, { events: batch.length, durationMs: performance.now() - startedAt });
  }
}

function partitionBy<T>(values: readonly T[], matches: (value: T) => boolean): [T[], T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const value of values) (matches(value) ? yes : no).push(value);
  return [yes, no];
}
