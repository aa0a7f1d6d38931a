/**
 * Tenants' schemas and expressions, worked on in processes of their own, within bounds that do not depend on their goodwill.
 *
 * V1: a job that takes longer than JOB_MAX_MS, or more than HEAP_MAX_MB, is stopped by ending its thread (thread.ts), and one
 *     that brings down more than its thread by that has brought down a process that has nothing but it (evaluating-process.ts).
 * V2: what was worked on beside it is worked on again: nobody pays for another's loop but in time.
 * V3: of jobs with one source that are handed over together one is stopped, and the others with it. A source that was
 *     stopped three times for one message alone is shunned, by that message too, and not tried again for a while: each try
 *     costs everybody JOB_MAX_MS. How often it was tried with others is not counted: that depends on how batches fall. But
 *     until it has come through alone it is not tried with others again: they are halved until it stands alone all the same.
 * V4: what a process that stops has not worked on is no fault of a message: another process works on it.
 */
import { Fault } from '#kernel/fault.ts';
import { EvaluatingProcess } from './evaluating-process.ts';
import type { Job, JobResult } from './job.ts';

/** One for the steps' batches is enough for 10 000 messages a second; the other one, that an overrun stops not all. */
const PROCESSES = 2;
/** Jobs handed over at a time. */
const JOBS_PER_WORK = 256;
/**
 * V3. As often as a consumer tries an event alone, so that the third try is the tenant's end of it: as dead letters of a group
 * a few tenants' loops would use up what that may park, and it would stand still for all.
 */
const SHUNNED_AT = 3;
const SHUNNED_FOR_MS = 30_000;
const SHUNNED_MAX = 1000;

interface Waiting {
  readonly jobs: readonly Job[];
  readonly resolve: (results: readonly JobResult[]) => void;
  readonly reject: (error: unknown) => void;
}

export class Evaluator {
  readonly #queue: Waiting[] = [];
  readonly #processes: readonly EvaluatingProcess[];
  readonly #shunned = new Map<string, { readonly count: number; readonly until: number }>();
  /** Sources that were stopped among others, until when. */
  readonly #suspects = new Map<string, number>();
  #closed = false;

  constructor() {
    this.#processes = Array.from({ length: PROCESSES }, () => new EvaluatingProcess(() => this.#handOut()));
  }

  /**
   * The result of each, in their order. `isShared`: they are of several messages (V3). Rejects only over what is no message's
   * doing: the process stops (V4), or can start no other.
   */
  async run(jobs: readonly Job[], { isShared = false } = {}): Promise<readonly JobResult[]> {
    const results = jobs.map(
      (job) => this.#shunnedResult(job) ?? (isShared ? this.#suspectResult(job) : undefined),
    );
    const open = jobs.flatMap((job, index) => (results[index] === undefined ? { job, index } : []));
    const parts = Array.from({ length: Math.ceil(open.length / JOBS_PER_WORK) }, (_, part) =>
      open.slice(part * JOBS_PER_WORK, (part + 1) * JOBS_PER_WORK),
    );
    await Promise.all(
      parts.map(async (part) => {
        const found = await this.#submit(part.map(({ job }) => job));
        const isStopped = Map.groupBy(part, (_each, at) => found[at]?.kind === 'overrun');
        for (const source of sourcesOf(isStopped.get(false))) this.#suspects.delete(source);
        for (const source of sourcesOf(isStopped.get(true)))
          if (isShared) this.#suspect(source);
          else this.#note(source);
        for (const [at, { index, job }] of part.entries()) results[index] = this.#judged(job, found[at]);
      }),
    );
    if (this.#closed) throw new Fault('the process is stopping', { transient: true }); // V4
    return results as JobResult[];
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { resolve } of this.#queue.splice(0)) resolve([]);
    await Promise.all(this.#processes.map((each) => each.close()));
  }

  #submit(jobs: readonly Job[]): Promise<readonly JobResult[]> {
    if (this.#closed) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#queue.push({ jobs, resolve, reject });
      this.#handOut();
    });
  }

  #handOut(): void {
    for (const each of this.#processes) {
      if (each.isBusy) continue;
      const next = this.#queue.shift();
      if (next === undefined) return;
      void each.perform(next.jobs).then(next.resolve, next.reject);
    }
  }

  // V3
  #note(source: string): void {
    if (this.#shunned.size >= SHUNNED_MAX) this.#shunned.clear();
    const count = (this.#shunned.get(source)?.count ?? 0) + 1;
    this.#shunned.set(source, { count, until: performance.now() + SHUNNED_FOR_MS });
  }

  /** What was stopped, as that which is not tried again for now if it is so by this. */
  #judged(job: Job, found: JobResult | undefined): JobResult | undefined {
    const isShunned = found?.kind === 'overrun' && this.#shunnedResult(job) !== undefined;
    return isShunned ? { ...found, isShunned } : found;
  }

  #suspect(source: string): void {
    if (this.#suspects.size >= SHUNNED_MAX) this.#suspects.clear();
    this.#suspects.set(source, performance.now() + SHUNNED_FOR_MS);
  }

  #suspectResult({ source }: Job): JobResult | undefined {
    return (this.#suspects.get(source) ?? 0) > performance.now() ? SUSPECT : undefined;
  }

  #shunnedResult({ source }: Job): JobResult | undefined {
    const shunned = this.#shunned.get(source);
    if (shunned === undefined) return undefined;
    if (shunned.until <= performance.now()) this.#shunned.delete(source);
    else if (shunned.count >= SHUNNED_AT) return SHUNNED;
    return undefined;
  }
}

function sourcesOf(jobs: readonly { readonly job: Job }[] = []): ReadonlySet<string> {
  return new Set(jobs.map(({ job }) => job.source));
}

const SUSPECT: JobResult = { kind: 'overrun', detail: 'It was stopped just now, and is tried alone.' };

const SHUNNED: JobResult = {
  kind: 'overrun',
  detail: 'It was stopped several times just now, and is not tried again for a while.',
  isShunned: true,
};
