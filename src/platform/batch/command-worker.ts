/**
 * One worker per service and process takes the requests that arrived while the last commit ran, decides them one by
 * one and commits them together (group-commit.ts, which holds C1 and C3).
 *
 * C2: replays and refusals are decided inside the batch like everything else; of equal keys in a batch the first decides.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import {
  type Answer,
  differences,
  type IdempotencyStore,
  keyDigest,
  type StoredAnswer,
} from '../idempotency/idempotency.ts';
import { type AppendedSegment, prepareAppend, sendAppend } from '../log/append.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Session, Transaction } from '../postgres/session.ts';
import type { Command, CommandHandler, DraftElsewhere } from './command.ts';
import { type AppliedBatch, GroupCommit } from './group-commit.ts';
import type { BatchObserver } from './observer.ts';

export { QueueFull } from './group-commit.ts';

/** Under load a commit every so often takes all that arrived meanwhile; at 202 within 100 ms there is room for three. */
const PACE_MS = 30;

/** An answer, and whether it is the stored one of an earlier request. */
export interface CommandOutcome {
  readonly answer: Answer;
  readonly replayed: boolean;
}

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
  /** How many of the requests that wait a batch takes at most; default all. */
  readonly takes?: ((waiting: number) => number) | undefined;
  readonly observer: BatchObserver;
}

interface Waiting<Body> {
  readonly command: Command<Body>;
  readonly digest: string;
  /** The body as stored for comparison. */
  readonly request: string;
}

export class CommandWorker<Body, Loaded, Effect> {
  readonly #options: CommandWorkerOptions<Body, Loaded, Effect>;
  readonly #batches: GroupCommit<Waiting<Body>, CommandOutcome>;

  constructor(options: CommandWorkerOptions<Body, Loaded, Effect>) {
    this.#options = options;
    this.#batches = new GroupCommit({
      ...options,
      paceMs: PACE_MS,
      cost: { weightOf: ({ request }) => request.length, ownerOf: ({ command }) => command.tenant },
      apply: (tx, batch) => this.#decide(tx, batch),
    });
  }

  start(): void {
    this.#batches.start();
  }

  /** Requests not yet taken into a batch. */
  get waiting(): number {
    return this.#batches.waiting;
  }

  submit(command: Command<Body>): Promise<CommandOutcome> {
    return this.#batches.submit({
      command,
      digest: digestOf(command),
      request: JSON.stringify(command.body),
    });
  }

  /** Finishes what is waiting, then stops. */
  stop(): Promise<void> {
    return this.#batches.stop();
  }

  async #decide(tx: Transaction, batch: readonly Waiting<Body>[]): Promise<AppliedBatch<CommandOutcome>> {
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
    const drafts: DraftElsewhere[] = [];
    const outcomes = batch.map((waiting): CommandOutcome => {
      const earlier = stored.get(waiting.digest) ?? fresh.get(waiting.digest);
      if (earlier !== undefined) return replayOf(earlier, waiting.request, keyReused, handler.differences); // C2
      const verdict = handler.decide(loaded, waiting.command, now);
      if (verdict.effect !== undefined) effects.push(verdict.effect);
      for (const draft of verdict.drafts) drafts.push({ topic, draft });
      drafts.push(...(verdict.elsewhere ?? []));
      fresh.set(waiting.digest, { ...verdict.answer, request: waiting.request });
      return { answer: verdict.answer, replayed: false };
    });
    idempotency.save(tx, fresh, now);
    handler.save(tx, effects, loaded, now);
    return {
      outcomes,
      segments: sendAppends(tx, drafts, { partitions: log.partitions, occurredAt: now }),
      committed: () => handler.committed?.(loaded),
    };
  }
}

/** R3: by topic, then by partition. Undefined if there is nothing to append. */
export function sendAppends(
  tx: Transaction,
  drafts: readonly DraftElsewhere[],
  as: { readonly partitions: number; readonly occurredAt: EpochMs },
): Promise<AppendedSegment[]> | undefined {
  if (drafts.length === 0) return undefined;
  const topics = [...new Set(drafts.map(({ topic }) => topic))].toSorted();
  const appends = topics.map((topic) => {
    const own = drafts.filter((each) => each.topic === topic).map(({ draft }) => draft);
    return sendAppend(tx, prepareAppend({ topic, ...as, drafts: own }));
  });
  const [only] = appends;
  // If the commit fails nobody awaits it: as the transaction's own it is not left unhandled.
  return appends.length === 1 ? only : tx.derive(Promise.all(appends), (segments) => segments.flat());
}

/** What a request gets whose key was used before: the stored answer, or a refusal of its other body (I2). */
export function replayOf<Body>(
  stored: StoredAnswer,
  request: string,
  keyReused: (pointers: readonly string[]) => Answer,
  between?: (before: Body, after: Body) => string[],
): CommandOutcome {
  const pointers = differences(stored, request, between);
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
