/**
 * What stands between us and one provider: how many calls are under way, how long each may take, and whether it is called
 * at all.
 *
 * P1: a charge that the gate does not let through has not been sent, and says so.
 * P2: whether a provider that stopped answering is back is asked by a harmless question, never by a payment.
 * P3: the first charge after that goes alone; until it has been answered the others are not let through.
 * P4: how many charges are under way follows what the provider answers in time: few at first, more with every answer, half
 *     as many after a timeout. So neither a cold start nor an overload ends in a storm of timeouts.
 * P5: questions about charges never wait behind charges: they have a limit of their own, and no breaker.
 */
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
  type IBreaker,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
} from 'cockatiel';
import type { Clock, EpochMs } from '#kernel/clock.ts';
import type { Attempt, Operation } from './attempt.ts';
import type { ProviderTerms } from './configuration.ts';
import { expectedOf, isProbeAnswered, probeRequest, readAnswer, requestFor } from './gateway-protocol.ts';
import { type HttpSender, NotSent } from './http-sender.ts';
import type { CallResult } from './report.ts';
import { AWAITED_WITHIN_MS } from './schedule.ts';

/** Failures in a row. With calls under way at the same time they come together, so a timeout and a moment open it. */
const FAILURES_TO_OPEN = 5;
/** Between the questions whether it is back. */
const PROBE_INTERVAL_MS = 1000;
/** P4 */
const CHARGES_AT_FIRST = 32;
const CHARGES_AT_LEAST = 8;
const QUESTIONS_AT_ONCE = 64;
const QUESTIONS_WAITING = 1024;

export type BreakerState = 'closed' | 'open' | 'half_open';

export interface GateStatus {
  readonly name: string;
  readonly breaker: BreakerState;
  /** Calls under way, questions included. */
  readonly inFlight: number;
  /** Since when the breaker is in its state. */
  readonly since: EpochMs;
}

export interface GateOptions {
  readonly terms: ProviderTerms;
  readonly sender: HttpSender;
  readonly clock: Clock;
  /** It is called again. */
  readonly onBack: () => void;
  readonly onCalled: (call: {
    readonly provider: string;
    readonly operation: Operation;
    readonly outcome: CallResult['kind'];
    readonly durationMs: number;
  }) => void;
}

/** P3: opens at the first failure after it closed, later at the fifth in a row. */
class CautiousBreaker implements IBreaker {
  state: unknown = undefined;
  readonly #failures = new ConsecutiveBreaker(FAILURES_TO_OPEN);
  /** Whether the first charge after a pause has still to be answered. */
  isOnTrial = false;

  success(state: CircuitState): void {
    this.isOnTrial = state === CircuitState.HalfOpen;
    this.#failures.success();
  }

  failure(): boolean {
    return this.#failures.failure() || this.isOnTrial;
  }
}

export class ProviderGate {
  readonly terms: ProviderTerms;
  readonly #options: GateOptions;
  readonly #trial = new CautiousBreaker();
  readonly #breaker = circuitBreaker(handleWhenResult(isBreakdown), {
    breaker: this.#trial,
    halfOpenAfter: PROBE_INTERVAL_MS,
  });
  readonly #charges;
  readonly #questions = bulkhead(QUESTIONS_AT_ONCE, QUESTIONS_WAITING);
  readonly #timeout;
  readonly #ending = new AbortController();
  #since: EpochMs;
  #charging = 0;
  #allowed: number;
  #slowedAt = Number.NEGATIVE_INFINITY;
  #asking = 0;
  #probe: NodeJS.Timeout | undefined;
  /** Since when no charge has been answered in time; undefined while they are. */
  #awaySince: EpochMs | undefined;
  /** Times that the breaker has closed: what was called before says nothing of what is now. */
  #returns = 0;
  /** Charges under way that were sent since the last of them. */
  #chargingSince = 0;

  constructor(options: GateOptions) {
    const { terms, clock } = options;
    this.terms = terms;
    this.#options = options;
    this.#charges = bulkhead(terms.concurrency);
    this.#allowed = Math.min(CHARGES_AT_FIRST, terms.concurrency);
    // What has been answered is over: to abort it all the same costs an error with its stack, 3 % of this process' time.
    this.#timeout = timeout(terms.timeoutMs, { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false });
    this.#since = clock.now();
    this.#breaker.onStateChange(() => {
      this.#since = clock.now();
      if (this.#breaker.state === CircuitState.Open) {
        this.#awaySince ??= this.#since;
        this.#probeSoon();
      } else if (this.#breaker.state === CircuitState.Closed) {
        this.#returns++;
        this.#chargingSince = 0;
        options.onBack();
      }
    });
  }

  get status(): GateStatus {
    return {
      name: this.terms.name,
      breaker: BREAKER_STATES[this.#breaker.state],
      inFlight: this.#charging + this.#asking,
      since: this.#since,
    };
  }

  /** Whether it answers, as far as is known. */
  get isAvailable(): boolean {
    if (this.#breaker.state !== CircuitState.Closed) return false;
    return !(this.#trial.isOnTrial && this.#chargingSince > 0); // P3
  }

  /** Whether it is worth waiting for: it answers as far as is known, or has been away for a moment only. */
  get isAwaited(): boolean {
    if (this.#breaker.state === CircuitState.Closed || this.#awaySince === undefined) return true;
    return this.#options.clock.now() < this.#awaySince + AWAITED_WITHIN_MS;
  }

  /** How many charges would be let through now. */
  get room(): number {
    if (!this.isAvailable) return 0;
    return this.#trial.isOnTrial ? 1 : Math.max(0, this.#allowed - this.#charging); // P3
  }

  /** `mayLeave` is asked of a charge immediately before it is sent, however long it waited; its reason stops it. */
  async charge(attempt: Attempt, mayLeave: () => string | undefined): Promise<CallResult> {
    return this.#admitted(this.#charges, () => {
      if (!this.isAvailable)
        return Promise.resolve({ kind: 'not_called', detail: `${this.terms.name} is not called just now.` });
      if (this.room === 0)
        return Promise.resolve({
          kind: 'busy',
          detail: `${this.terms.name} has as many charges as it answers.`,
        });
      const reason = mayLeave();
      if (reason !== undefined) return Promise.resolve({ kind: 'held_back', detail: reason });
      this.#charging++;
      this.#chargingSince++;
      const returns = this.#returns;
      return this.#call('charge', attempt)
        .then((result) => this.#learn(result, returns))
        .finally(() => {
          this.#charging--;
          if (returns === this.#returns) this.#chargingSince--;
        });
    });
  }

  /** What was called before the last pause neither ends the trial nor fails it (P3). */
  async #learn(result: CallResult, returns: number): Promise<CallResult> {
    if (this.#breaker.state === CircuitState.Closed && returns === this.#returns) {
      const wasOnTrial = this.#trial.isOnTrial;
      await this.#breaker.execute(() => result);
      if (!this.#trial.isOnTrial) this.#awaySince = undefined;
      if (wasOnTrial && !this.#trial.isOnTrial) this.#options.onBack();
    }
    return this.#adapt(result);
  }

  // P4
  #adapt(result: CallResult): CallResult {
    const now = performance.now();
    if (result.kind !== 'unclear') {
      this.#allowed = Math.min(this.terms.concurrency, this.#allowed + 1);
    } else if (now - this.#slowedAt > this.terms.timeoutMs) {
      // Those that were under way together fail together: they say it once.
      this.#slowedAt = now;
      this.#allowed = Math.min(
        this.terms.concurrency,
        Math.max(CHARGES_AT_LEAST, Math.floor(this.#allowed / 2)),
      );
    }
    return result;
  }

  /** Everything that is not a charge. */
  async ask(operation: Exclude<Operation, 'charge'>, attempt: Attempt): Promise<CallResult> {
    return this.#admitted(this.#questions, () => {
      this.#asking++;
      return this.#call(operation, attempt).finally(() => {
        this.#asking--;
      });
    });
  }

  /** Calls under way are given up; what they would have brought is asked for later. */
  async close(): Promise<void> {
    clearTimeout(this.#probe);
    this.#ending.abort();
    await this.#options.sender.close();
  }

  async #admitted(limit: ReturnType<typeof bulkhead>, call: () => Promise<CallResult>): Promise<CallResult> {
    try {
      return await limit.execute(call);
    } catch (error) {
      if (!(error instanceof BulkheadRejectedError)) throw error;
      return { kind: 'busy', detail: `${this.terms.name} has as many calls under way as it is given.` }; // P1
    }
  }

  async #call(operation: Operation, attempt: Attempt): Promise<CallResult> {
    const startedAt = performance.now();
    const result = await this.#answerTo(operation, attempt);
    this.#options.onCalled({
      provider: this.terms.name,
      operation,
      outcome: result.kind,
      durationMs: performance.now() - startedAt,
    });
    return result;
  }

  async #answerTo(operation: Operation, attempt: Attempt): Promise<CallResult> {
    const { sender, clock } = this.#options;
    const askedAt = clock.now();
    try {
      const answer = await this.#timeout.execute(
        ({ signal }) => sender.send(requestFor(operation, attempt), signal),
        this.#ending.signal,
      );
      return readAnswer(operation, expectedOf(attempt), answer, { askedAt, now: clock.now() });
    } catch (error) {
      return this.#failureOf(error);
    }
  }

  #failureOf(error: unknown): CallResult {
    const { name, timeoutMs } = this.terms;
    if (error instanceof NotSent)
      return { kind: 'not_sent', detail: `${name} could not be reached: ${error.message}` };
    if (error instanceof TaskCancelledError)
      return { kind: 'unclear', detail: `${name} did not answer within ${timeoutMs} ms.` };
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'unclear', detail: `The connection to ${name} was lost: ${message}` };
  }

  // P2
  #probeSoon(): void {
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => void this.#probeNow(), PROBE_INTERVAL_MS);
  }

  async #probeNow(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    await this.#breaker.execute(() => this.#probeResult()).catch(wasTooEarly);
    if (this.#breaker.state !== CircuitState.Closed) this.#probeSoon();
  }

  /** As a call's result, which the breaker judges. */
  async #probeResult(): Promise<CallResult> {
    try {
      const answer = await this.#timeout.execute(
        ({ signal }) => this.#options.sender.send(probeRequest(), signal),
        this.#ending.signal,
      );
      return isProbeAnswered(answer)
        ? { kind: 'not_found', askedAt: this.#options.clock.now() }
        : { kind: 'error', detail: `It answered the probe with ${answer.status}.` };
    } catch (error) {
      return this.#failureOf(error);
    }
  }
}

const BREAKER_STATES: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Isolated]: 'open',
};

/** The breaker's own clock and the timer's may differ by a moment: the next time is soon. */
function wasTooEarly(error: unknown): void {
  if (!(error instanceof BrokenCircuitError)) throw error;
}

/** What says that the provider does not work; a refusal, or being told to wait, says that it does. */
function isBreakdown(result: unknown): boolean {
  const { kind } = result as CallResult;
  return kind === 'unclear' || kind === 'error' || kind === 'not_sent';
}
