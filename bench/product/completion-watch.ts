/**
 * How far the payments have come, by the product's own metrics: verdicts written, lag of each group, work of each
 * batch worker. A payment is complete when its verdict is: all six events are in the logs and agree.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type MetricSample, sumOf, valuesOf } from '../measure/prometheus-text.ts';
import type { Api } from './api.ts';

export const JUDGED = 'lastro_sagas_judged_total';
export const LAG = 'lastro_consumer_lag_events';
const BATCH_EVENTS = 'lastro_batch_events_total';
const BATCH_SECONDS = 'lastro_batch_duration_seconds_sum';
const BATCHES = 'lastro_batch_duration_seconds_count';
/** The group that judges; all others are on the way of a payment or of what is told about it. */
const JUDGING_GROUP = 'integrity';

/** How often the watch looks while a load runs, if nobody needs to know more exactly. */
const POLL_MS = 250;
const DRAIN_POLL_MS = 50;
/** The product looks at its lags ten times a second: two looks apart say that the first was not an old one. */
const SAME_LAG_MS = 250;
/** A backlog of a minute at some thousand payments a second, worked off at as many. */
const REST_TIMEOUT_MS = 300_000;
/** Without a new verdict for so long, none is coming: a payment of our own services takes far less. */
const STALLED_MS = 30_000;

export interface Worker {
  readonly batches: number;
  readonly events: number;
  readonly seconds: number;
}

export interface Snapshot {
  readonly atMs: number;
  readonly complete: number;
  readonly broken: number;
  /** Events that the groups other than integrity have still to pass. */
  readonly lagEvents: number;
  readonly integrityLagEvents: number;
  readonly workers: Readonly<Record<string, Worker>>;
}

export interface Drained {
  readonly snapshot: Snapshot;
  /** Since when no group but integrity had anything left, on the clock of `performance`; null if that was not seen. */
  readonly restAtMs: number | null;
  /** The same, from the beginning of the look: the last answer. */
  readonly completionLagMs: number | null;
  /** When the last verdict was first seen, whether or not some are missing; far in the past if there was none. */
  readonly lastVerdictAtMs: number;
  /** From the last answer until the last verdict; null if some are missing. */
  readonly integrityLagMs: number | null;
}

export function snapshotOf(samples: readonly MetricSample[], atMs: number): Snapshot {
  const groups = valuesOf(samples, LAG, 'group').filter((group) => group !== JUDGING_GROUP);
  const workers = valuesOf(samples, BATCH_EVENTS, 'worker').map((worker): [string, Worker] => [
    worker,
    {
      batches: sumOf(samples, BATCHES, { worker }),
      events: sumOf(samples, BATCH_EVENTS, { worker }),
      seconds: sumOf(samples, BATCH_SECONDS, { worker }),
    },
  ]);
  return {
    atMs,
    complete: sumOf(samples, JUDGED, { verdict: 'complete' }),
    broken: sumOf(samples, JUDGED, { verdict: 'broken' }),
    integrityLagEvents: sumOf(samples, LAG, { group: JUDGING_GROUP }),
    lagEvents: groups.reduce((sum, group) => sum + sumOf(samples, LAG, { group }), 0),
    workers: Object.fromEntries(workers),
  };
}

/** Verdicts of either kind between two looks. */
export function judgedSince(before: Snapshot, after: Snapshot): number {
  return after.complete + after.broken - before.complete - before.broken;
}

export class CompletionWatch {
  readonly #api: Api;
  readonly #onSnapshot: (snapshot: Snapshot) => void;
  readonly #pollMs: number;
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<unknown> = Promise.resolve();
  #maxLagEvents = 0;
  #judged: number | undefined;
  #lastVerdictAtMs = Number.NEGATIVE_INFINITY;

  constructor(api: Api, onSnapshot: (snapshot: Snapshot) => void, { pollMs = POLL_MS } = {}) {
    this.#api = api;
    this.#onSnapshot = onSnapshot;
    this.#pollMs = pollMs;
  }

  async read(): Promise<Snapshot> {
    const snapshot = snapshotOf(await this.#api.metrics(), performance.now());
    const judged = snapshot.complete + snapshot.broken;
    if (this.#judged !== undefined && judged > this.#judged) this.#lastVerdictAtMs = snapshot.atMs;
    this.#judged = Math.max(judged, this.#judged ?? 0);
    this.#maxLagEvents = Math.max(this.#maxLagEvents, snapshot.lagEvents);
    this.#onSnapshot(snapshot);
    return snapshot;
  }

  /** The most that was waiting at any look since `start`. */
  get maxLagEvents(): number {
    return this.#maxLagEvents;
  }

  start(): void {
    this.#maxLagEvents = 0;
    this.#timer = setInterval(() => {
      // A look that fails is followed by the next; a product that is gone shows in the load and in `drain`.
      this.#polling = this.read().catch(() => undefined);
    }, this.#pollMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#polling;
  }

  /**
   * Looks on until nothing lags, for what comes next to begin with nothing of what was before; `isJudged`: the group that
   * judges included. Since when that was, on the clock of `performance`.
   */
  async untilRest({ isJudged = true } = {}): Promise<number> {
    const startedAtMs = performance.now();
    let restSinceMs: number | undefined;
    for (;;) {
      const { atMs, lagEvents, integrityLagEvents } = await this.read();
      const waiting = lagEvents + (isJudged ? integrityLagEvents : 0);
      restSinceMs = waiting > 0 ? undefined : (restSinceMs ?? atMs);
      if (restSinceMs !== undefined && atMs - restSinceMs >= SAME_LAG_MS) return restSinceMs;
      if (atMs - startedAtMs > REST_TIMEOUT_MS) throw new Error(`${waiting} events still wait`);
      await delay(DRAIN_POLL_MS);
    }
  }

  /** Looks on until `expected` verdicts have come since `before`; since when they have, or null when no more come. */
  async untilJudged(before: Snapshot, expected: number): Promise<number | null> {
    const startedAtMs = performance.now();
    for (;;) {
      const latest = await this.read();
      if (judgedSince(before, latest) >= expected) return this.#lastVerdictAtMs;
      if (latest.atMs - Math.max(startedAtMs, this.#lastVerdictAtMs) > STALLED_MS) return null;
      await delay(DRAIN_POLL_MS);
    }
  }

  /**
   * Looks on until `expected` verdicts have come since `before` and nothing lags, or nothing moves any more: no verdict
   * for `stalledMs`.
   */
  async drain(before: Snapshot, expected: number, { stalledMs = STALLED_MS } = {}): Promise<Drained> {
    const endedAtMs = performance.now();
    let restSinceMs: number | undefined;
    for (;;) {
      const snapshot = await this.read();
      // What was rest may have been a pause: a payment that waits for a provider lags nowhere.
      restSinceMs = snapshot.lagEvents > 0 ? undefined : (restSinceMs ?? snapshot.atMs);
      const isAtRest = restSinceMs !== undefined && snapshot.atMs - restSinceMs >= SAME_LAG_MS;
      const isJudged = judgedSince(before, snapshot) >= expected;
      const movedAtMs = Math.max(endedAtMs, this.#lastVerdictAtMs);
      if ((isJudged && isAtRest) || snapshot.atMs - movedAtMs > stalledMs)
        return {
          snapshot,
          restAtMs: isAtRest ? (restSinceMs ?? null) : null,
          completionLagMs: isAtRest && restSinceMs !== undefined ? restSinceMs - endedAtMs : null,
          lastVerdictAtMs: this.#lastVerdictAtMs,
          integrityLagMs: isJudged ? movedAtMs - endedAtMs : null,
        };
      await delay(DRAIN_POLL_MS);
    }
  }
}
