/**
 * One worker per service and process takes the requests that arrived while the last commit ran, decides them one by
 * one and commits them together. Alone, a request waits for nothing; under load hundreds share one commit.
 *
 * C1: an answer is given only after its commit is durable, or when it is known that nothing was written.
 * C2: replays and refusals are decided inside the batch like everything else; of equal keys in a batch the first decides.
 * C3: one bad request never harms the others of its batch: a batch that fails on data is halved until it stands alone (R6).
 */
import type { Clock } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import {
  type Answer,
  differences,
  type IdempotencyStore,
  keyDigest,
  type StoredAnswer,
} from '../idempotency/idempotency.ts';
import { type AppendedSegment, prepareAppend, sendAppend } from '../log/append.ts';
import type { EventDraft } from '../log/event.ts';
import type { EventLog } from '../log/event-log.ts';
import { DatabaseFault, isTransient } from '../postgres/faults.ts';
import type { Session, Transaction } from '../postgres/session.ts';
import { backoffMs } from './backoff.ts';
import type { Command, CommandHandler } from './command.ts';
import type { BatchObserver } from './observer.ts';
import { restAfter } from './pace.ts';
import { Signal } from './signal.ts';

/** Requests waiting beyond this are refused at once: at 6000/s they would wait longer than their callers do. */
const QUEUE_MAX = 20_000;
/**
 * A key or reference that another process took meanwhile is found by the next try. What collides more often is at fault
 * itself, or so unlucky that in halves it is faster.
 */
const RACES_MAX = 4;
/** Under load a commit every so often takes all that arrived meanwhile; at 202 within 100 ms there is room for three. */
const PACE_MS = 30;
/** How long a request outlives a database that does not answer before its caller is told to try again. */
const RETRY_FOR_MS = 8000;
/** Only a wake-up brings work, and it is a level that cannot be missed; this bounds the damage if that is wrong. */
const IDLE_LOOK_MS = 60_000;

/** An answer, and whether it is the stored one of an earlier request. */
export interface CommandOutcome {
  readonly answer: Answer;
  readonly replayed: boolean;
}

export class QueueFull extends Error {}

export interface CommandWorkerOptions<Body, Loaded, Effect> {
  /** In metrics and logs. */
  readonly name: string;
  readonly topic: string;
  readonly handler: CommandHandler<Body, Loaded, Effect>;
  readonly idempotency: IdempotencyStore;
  /** Renders the refusal of a key that was used with another body. */
  readonly keyReused: (pointers: readonly string[]) => Answer;
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: () => number;
  readonly batchMax: number;
  /** Waited before each batch, in ms: how intake is slowed when the stages lag (backpressure). */
  readonly delayMs: () => number;
  readonly observer: BatchObserver;
}

interface Waiting<Body> {
  readonly command: Command<Body>;
  readonly digest: string;
  /** The body as stored for comparison. */
  readonly request: string;
  readonly arrivedAt: number;
  readonly resolve: (outcome: CommandOutcome) => void;
  readonly reject: (error: unknown) => void;
}

export class CommandWorker<Body, Loaded, Effect> {
  readonly #options: CommandWorkerOptions<Body, Loaded, Effect>;
  readonly #signal = new Signal();
  #queue: Waiting<Body>[] = [];
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: CommandWorkerOptions<Body, Loaded, Effect>) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Requests not yet taken into a batch. */
  get waiting(): number {
    return this.#queue.length;
  }

  submit(command: Command<Body>): Promise<CommandOutcome> {
    if (this.#stopping) return Promise.reject(new Fault('the process is stopping', { transient: true }));
    if (this.#queue.length >= QUEUE_MAX)
      return Promise.reject(new QueueFull('too many requests are waiting'));
    return new Promise((resolve, reject) => {
      this.#queue.push({
        command,
        digest: digestOf(command),
        request: JSON.stringify(command.body),
        arrivedAt: performance.now(),
        resolve,
        reject,
      });
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
      const batch = this.#queue.splice(0, this.#options.batchMax);
      const events = batch.length;
      await this.#settle(batch);
      if (!this.#stopping) await restAfter({ events, startedAt, paceMs: PACE_MS });
    }
  }

  /** Commits the batch, trying again and in halves as its failures ask for; every request of it is answered. */
  async #settle(batch: Waiting<Body>[]): Promise<void> {
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

  async #isolate(batch: Waiting<Body>[], error: unknown): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) {
      only.reject(error);
      return;
    }
    const middle = Math.ceil(batch.length / 2);
    await this.#settle(batch.slice(0, middle));
    await this.#settle(batch.slice(middle));
  }

  #giveUpLate(batch: Waiting<Body>[], error: unknown): Waiting<Body>[] {
    const now = performance.now();
    const [late, rest] = partitionBy(batch, (waiting) => now - waiting.arrivedAt > RETRY_FOR_MS);
    for (const waiting of late) {
      waiting.reject(
        new Fault('the database did not take the request in time', { transient: true, cause: error }),
      );
    }
    return rest;
  }

  async #commit(batch: readonly Waiting<Body>[]): Promise<void> {
    const { session, log, observer, name } = this.#options;
    const startedAt = performance.now();
    let outcomes: CommandOutcome[] = [];
    let segments: Promise<AppendedSegment[]> | undefined;
    await session.transaction(async (tx) => {
      const decided = await this.#decide(tx, batch);
      outcomes = decided.outcomes;
      segments = decided.segments;
    });
    batch.forEach((waiting, index) => waiting.resolve(outcomes[index] as CommandOutcome)); // C1
    if (segments !== undefined) log.publish(await segments);
    observer.committed(name, { events: batch.length, durationMs: performance.now() - startedAt });
  }

  async #decide(
    tx: Transaction,
    batch: readonly Waiting<Body>[],
  ): Promise<{ outcomes: CommandOutcome[]; segments: Promise<AppendedSegment[]> | undefined }> {
    const { handler, idempotency, keyReused, clock, topic, log } = this.#options;
    const [stored, loaded] = await Promise.all([
      idempotency.find(tx, [...new Set(batch.map((waiting) => waiting.digest))]),
      handler.load(
        tx,
        batch.map((waiting) => waiting.command),
      ),
    ]);
    const now = clock.now();
    const fresh = new Map<string, StoredAnswer>();
    const effects: Effect[] = [];
    const drafts: EventDraft[] = [];
    const outcomes = batch.map((waiting): CommandOutcome => {
      const earlier = stored.get(waiting.digest) ?? fresh.get(waiting.digest);
      if (earlier !== undefined) return replayOf(earlier, waiting.request, keyReused); // C2
      const verdict = handler.decide(loaded, waiting.command, now);
      if (verdict.effect !== undefined) effects.push(verdict.effect);
      drafts.push(...verdict.drafts);
      fresh.set(waiting.digest, { ...verdict.answer, request: waiting.request });
      return { answer: verdict.answer, replayed: false };
    });
    idempotency.save(tx, fresh, now);
    handler.save(tx, effects, loaded, now);
    const segments =
      drafts.length === 0
        ? undefined
        : sendAppend(tx, prepareAppend({ topic, partitions: log.partitions, occurredAt: now, drafts }));
    return { outcomes, segments };
  }
}

/** What a request gets whose key was used before: the stored answer, or a refusal of its other body (I2). */
export function replayOf(
  stored: StoredAnswer,
  request: string,
  keyReused: (pointers: readonly string[]) => Answer,
): CommandOutcome {
  const pointers = differences(stored, request);
  if (pointers.length > 0) return { answer: keyReused(pointers), replayed: false };
  return { answer: { status: stored.status, body: stored.body }, replayed: true };
}

/**
 * A request without a key gets one of its own, which no caller can name: if its commit was lost from sight, the second
 * try finds what the first has done.
 */
function digestOf({ tenant, operation, idempotencyKey, requestId }: Command): string {
  return idempotencyKey === undefined
    ? keyDigest({ tenant, operation: `${operation} without key`, key: requestId })
    : keyDigest({ tenant, operation, key: idempotencyKey });
}

function partitionBy<T>(values: readonly T[], matches: (value: T) => boolean): [T[], T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const value of values) (matches(value) ? yes : no).push(value);
  return [yes, no];
}
