/**
 * How far the payments have come, by the product's own metrics: verdicts written, lag of each group, work of each
 * batch worker. A payment is complete when its verdict is: all six events are in the logs and agree.
 */
import { type MetricSample, sumOf, valuesOf } from '../measure/prometheus-text.ts';
import type { Api } from './api.ts';

export const JUDGED = 'lastro_sagas_judged_total';
export const LAG = 'lastro_consumer_lag_events';
const BATCH_EVENTS = 'lastro_batch_events_total';
const BATCH_SECONDS = 'lastro_batch_duration_seconds_sum';
const BATCHES = 'lastro_batch_duration_seconds_count';
/** The group that judges; all others are on the way of a payment or of what is told about it. */
const JUDGING_GROUP = 'integrity';

const POLL_MS = 250;
const DRAIN_POLL_MS = 50;
/** The product looks at its lags ten times a second: two looks apart say that the first was not an old one. */
const SAME_LAG_MS = 250;
/** Without a new verdict for so long, none is coming. */
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
  readonly workers: Readonly<Record<string, Worker>>;
}

export interface Drained {
  readonly snapshot: Snapshot;
  /** From the end of the load until no group but integrity had anything left; null if that was not seen. */
  readonly completionLagMs: number | null;
  /** Until the last verdict; null if some are missing. */
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
    lagEvents: groups.reduce((sum, group) => sum + sumOf(samples, LAG, { group }), 0),
    workers: Object.fromEntries(workers),
  };
}

export class CompletionWatch {
  readonly #api: Api;
  readonly #onSnapshot: (snapshot: Snapshot) => void;
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<unknown> = Promise.resolve();
  #maxLagEvents = 0;

  constructor(api: Api, onSnapshot: (snapshot: Snapshot) => void) {
    this.#api = api;
    this.#onSnapshot = onSnapshot;
  }

  async read(): Promise<Snapshot> {
    const snapshot = snapshotOf(await this.#api.metrics(), performance.now());
    this.#maxLagEvents = Math.max(this.#maxLagEvents, snapshot.lagEvents);
    this.#onSnapshot(snapshot);
    return snapshot;
  }

  /** The most that was waiting at any look. */
  get maxLagEvents(): number {
    return this.#maxLagEvents;
  }

  start(): void {
    this.#timer = setInterval(() => {
      // A look that fails is followed by the next; a product that is gone shows in the load and in `drain`.
      this.#polling = this.read().catch(() => undefined);
    }, POLL_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#polling;
  }

  /** Looks on until `expected` verdicts have come since `before` and nothing lags, or nothing moves any more. */
  async drain(before: Snapshot, expected: number): Promise<Drained> {
    const endedAtMs = performance.now();
    let idleSinceMs: number | undefined;
    let completionLagMs: number | null = null;
    let movedAtMs = endedAtMs;
    let latest = await this.read();
    for (;;) {
      if (latest.lagEvents > 0) idleSinceMs = undefined;
      else {
        idleSinceMs ??= latest.atMs;
        if (latest.atMs - idleSinceMs >= SAME_LAG_MS) completionLagMs ??= idleSinceMs - endedAtMs;
      }
      const isJudged = latest.complete - before.complete >= expected;
      if (isJudged && completionLagMs !== null)
        return { snapshot: latest, completionLagMs, integrityLagMs: movedAtMs - endedAtMs };
      if (latest.atMs - movedAtMs > STALLED_MS)
        return { snapshot: latest, completionLagMs, integrityLagMs: isJudged ? movedAtMs - endedAtMs : null };
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
      const previous = latest;
      latest = await this.read();
      if (latest.complete !== previous.complete) movedAtMs = latest.atMs;
    }
  }
}
