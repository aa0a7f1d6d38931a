/**
 * Has a checkpoint made every so often while a process runs, and one when it stops. Of several processes one makes each:
 * whoever looks first after the last one has come of age.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '#kernel/fault.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import { findInstallation } from './checkpoint-store.ts';
import { ChainMemory } from './last-checkpoint.ts';
import { type CheckpointMaker, type CheckpointOutcome, takeCheckpoint } from './take-checkpoint.ts';

/** Between checkpoints that catch up with a log much longer than one takes. */
const CATCH_UP_PAUSE_MS = 1000;
/**
 * After a page so many times as long as it took: at 2000 payments a second what a minute brings is almost two seconds of a
 * core's work, and read at once it is felt by one payment in fifty.
 */
const REST_RATIO = 4;
/** Of the interval, for the rests of one checkpoint together: enough for 2.5 s of work a minute. */
const RESTS = 1 / 6;
/** Of the interval, behind those rests: so that processes which wait for the same moment do not all begin the same work. */
const JITTER = 0.1;
/** A stop waits no longer for its checkpoint: without it, the next one covers the same. */
const STOP_MS = 1500;
/** Of it, for reading; what is left is for the commit. */
const STOP_READ_MS = 800;

/** What became of a turn; `failed` is for the caller's `onError` as well. */
export type TurnKind = CheckpointOutcome['kind'] | 'failed';

export interface CheckpointClerkOptions extends Omit<CheckpointMaker, 'installation' | 'memory'> {
  readonly intervalMs: number;
  readonly random: () => number;
  readonly onTurn: (kind: TurnKind) => void;
  readonly onRefused: (reason: string) => void;
  readonly onError: (error: unknown) => void;
}

class StopTakesTooLong extends Fault {
  constructor() {
    const message = `the last checkpoint of this process took longer than ${STOP_MS} ms: the next one covers the same`;
    super(message, { transient: true });
  }
}

export class CheckpointClerk {
  readonly #options: CheckpointClerkOptions;
  readonly #memory = new ChainMemory();
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;
  /** Then nothing more is asked of the session: who stops the process closes it next. */
  readonly #abandoned = new AbortController();
  #work: Promise<void> = Promise.resolve();
  #readUntil = Number.POSITIVE_INFINITY;
  /** Ends rests. */
  readonly #hurry = new AbortController();
  #installation: string | undefined;
  #failures = 0;

  constructor(options: CheckpointClerkOptions) {
    this.#options = options;
  }

  start(): void {
    this.#next(this.#options.intervalMs);
  }

  /** Whatever was committed before is in a checkpoint then, unless that takes too long. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const abandoned = once(this.#abandoned.signal, 'abort');
    const timer = setTimeout(() => this.#abandoned.abort(new StopTakesTooLong()), STOP_MS);
    await Promise.race([this.#finish(), abandoned]);
    clearTimeout(timer);
  }

  async #finish(): Promise<void> {
    this.#readUntil = performance.now() + STOP_READ_MS;
    this.#hurry.abort();
    await this.#work;
    if (!this.#abandoned.signal.aborted) await this.#turn(0);
  }

  #next(dueAgeMs: number): void {
    if (this.#stopping) return;
    this.#work = this.#takeAndPause(dueAgeMs);
  }

  /** Who made the last one comes first again; the others look when it should be done, and find that it was made. */
  async #takeAndPause(dueAgeMs: number): Promise<void> {
    const startedAt = performance.now();
    const outcome = await this.#turn(dueAgeMs);
    if (outcome?.kind === 'written') {
      const pauseMs = this.#pauseBehind(outcome, performance.now() - startedAt);
      this.#pause(pauseMs, pauseMs);
    } else this.#pause(this.#lookInMs(outcome), this.#options.intervalMs);
  }

  /** From beginning to beginning an interval, however long reading took; less where there is more to catch up with. */
  #pauseBehind({ behind }: { readonly behind: boolean }, tookMs: number): number {
    const { intervalMs } = this.#options;
    const leastMs = Math.min(CATCH_UP_PAUSE_MS, intervalMs);
    return behind ? leastMs : Math.max(leastMs, intervalMs - tookMs);
  }

  #pause(pauseMs: number, dueAgeMs: number): void {
    if (!this.#stopping) this.#timer = setTimeout(() => this.#next(dueAgeMs), pauseMs);
  }

  #lookInMs(outcome: CheckpointOutcome | undefined): number {
    const { intervalMs, random } = this.#options;
    if (outcome === undefined) return backoffMs(this.#failures, random);
    const dueInMs = outcome.kind === 'not_due' ? outcome.dueInMs : intervalMs;
    return dueInMs + (RESTS + random() * JITTER) * intervalMs;
  }

  /** `dueAgeMs`: that the last one has to have. */
  async #turn(dueAgeMs: number): Promise<CheckpointOutcome | undefined> {
    const { onTurn, onRefused, onError } = this.#options;
    try {
      const installation = await this.#findInstallation();
      const turn = {
        dueAgeMs,
        isLate: () => performance.now() >= this.#readUntil,
        rest: this.#rests(),
        signal: this.#abandoned.signal,
      };
      const outcome = await takeCheckpoint({ ...this.#options, installation, memory: this.#memory }, turn);
      this.#failures = 0;
      onTurn(outcome.kind);
      if (outcome.kind === 'refused') onRefused(outcome.reason);
      return outcome;
    } catch (error) {
      this.#failures++;
      onTurn('failed');
      onError(error);
      return undefined;
    }
  }

  #rests(): (workedMs: number) => Promise<void> {
    let leftMs = this.#options.intervalMs * RESTS;
    return async (workedMs) => {
      const { signal } = this.#hurry;
      if (signal.aborted) return;
      const restMs = Math.min(leftMs, workedMs * REST_RATIO);
      leftMs -= restMs;
      await delay(restMs, undefined, { signal }).catch(isHurried);
    };
  }

  async #findInstallation(): Promise<string> {
    this.#installation ??= await findInstallation(this.#options.session);
    return this.#installation;
  }
}

function isHurried(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
}
