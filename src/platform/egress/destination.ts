/**
 * What stands between us and one destination: how many requests are under way, and whether it is called at all. It is called
 * again by one request alone, a while after those before have failed one after the other.
 */
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
} from 'cockatiel';
import type { EgressOutcome } from './outcome.ts';

/** Failures in a row. */
const FAILURES_TO_OPEN = 5;
/** Until one request tries whether it is back. */
const TRIAL_AFTER_MS = 10_000;
/** Until there is room again, where others are under way: the usual answer has come by then. */
const BUSY_RETRY_MS = 250;

export class Destination {
  /** How many were made before it. */
  readonly number: number;
  readonly #limit: number;
  readonly #breaker = circuitBreaker(handleWhenResult(isBreakdown), {
    breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
    halfOpenAfter: TRIAL_AFTER_MS,
  });
  readonly #bulkhead;
  #openedAt = 0;

  constructor({
    number,
    limit,
    onBack,
  }: {
    readonly number: number;
    readonly limit: number;
    readonly onBack: () => void;
  }) {
    this.number = number;
    this.#limit = limit;
    this.#bulkhead = bulkhead(limit);
    this.#breaker.onStateChange((state) => {
      if (state === CircuitState.Open) this.#openedAt = Date.now();
      else if (state === CircuitState.Closed) onBack();
    });
  }

  /** How many requests would be let through now. */
  get room(): number {
    const { state } = this.#breaker;
    if (state === CircuitState.Closed) return this.#bulkhead.executionSlots;
    return state === CircuitState.Open && this.#untilTrial() <= 0 && this.#bulkhead.executionSlots > 0
      ? 1
      : 0;
  }

  get underWay(): number {
    return this.#limit - this.#bulkhead.executionSlots;
  }

  get isIdle(): boolean {
    return this.#breaker.state === CircuitState.Closed && this.#bulkhead.executionSlots === this.#limit;
  }

  async call(send: () => Promise<EgressOutcome>): Promise<EgressOutcome> {
    // The trial's outcome is not waited for: whoever asks meanwhile would wait with it.
    if (this.#breaker.state === CircuitState.HalfOpen) return this.#paused();
    try {
      return await this.#bulkhead.execute(() => this.#breaker.execute(send));
    } catch (error) {
      if (error instanceof BrokenCircuitError) return this.#paused();
      if (error instanceof BulkheadRejectedError)
        return notCalled('The destination has as many requests under way as it is given.', BUSY_RETRY_MS);
      throw error;
    }
  }

  #paused(): EgressOutcome {
    const detail = 'The destination is not called for a while, because requests to it failed.';
    return notCalled(detail, Math.max(BUSY_RETRY_MS, this.#untilTrial()));
  }

  #untilTrial(): number {
    return this.#openedAt + TRIAL_AFTER_MS - Date.now();
  }
}

function notCalled(detail: string, retryAfterMs: number): EgressOutcome {
  return { kind: 'not_called', detail, latencyMs: 0, retryAfterMs };
}

/** A destination that says "slowly" is not broken. */
function isBreakdown(result: unknown): boolean {
  const { kind, answer } = result as EgressOutcome;
  return kind === 'unknown' || (kind === 'transient' && answer?.status !== 429);
}
