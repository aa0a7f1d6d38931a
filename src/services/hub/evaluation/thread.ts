/**
 * A thread for tenants' expressions, watched from the thread that has started it: whatever a job does there, this one goes on.
 *
 * T1: a job that takes longer than JOB_MAX_MS, or more than HEAP_MAX_MB, is stopped by ending its thread, whatever it is
 *     doing: a recursion, a regular expression, a list that grows.
 * T2: what a thread was working on beside it is given to the next thread: what came before it is cheap to do again, what comes behind it
 *     is still to be done. Nothing else is at fault.
 * T3: nothing else is begun before a thread has ended: one that is ended within a step can still end the whole process by it, and
 *     whoever looks from outside takes what it has asked for last as the cause.
 */
import { Worker } from 'node:worker_threads';
import { type Done, HEAP_MAX_MB, JOB_MAX_MS, type JobResult, type OwnedJob, packJobs } from './job.ts';
import { Shares } from './shares.ts';
import { Stopped } from './stopped.ts';

const LOOK_EVERY_MS = 25;
/** Until it has begun: what it loads and tries first is ours, and takes seconds where the machine has much else to do. */
const START_MAX_MS = 30_000;
/** A step that cannot be interrupted for so long does not end: then the process has to. */
const END_MAX_MS = 5000;
const STACK_MB = 4;
const YOUNG_MB = 16;

/** Started when it is needed, and again after it was ended. */
export class Thread {
  readonly #onStuck: () => void;
  #worker: Worker | undefined;
  #progress = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #hears: Hearing | undefined;
  #works = 0;

  constructor(onStuck: () => void) {
    this.#onStuck = onStuck;
  }

  async perform(jobs: readonly OwnedJob[], shareMs?: number): Promise<readonly JobResult[]> {
    const known = new Known(shareMs);
    let left = jobs;
    while (left.length > 0) {
      // oxlint-disable-next-line no-await-in-loop -- a thread does one thing at a time
      const ended = await this.#attempt(left, shareMs);
      if (ended.kind === 'done') {
        known.take(left, ended.results);
        break;
      }
      // oxlint-disable-next-line no-await-in-loop -- a thread does one thing at a time
      await this.#again(left.slice(0, ended.at), known, shareMs);
      const [guilty, ...behind] = left.slice(ended.at);
      if (guilty === undefined) break;
      known.blame(guilty, ended.detail);
      left = known.openOf(behind);
    }
    return jobs.map((job) => known.resultOf(job));
  }

  /** T2. They came through a moment ago; what does not now, as what goes by the time, is stopped like any other. */
  async #again(jobs: readonly OwnedJob[], known: Known, shareMs?: number): Promise<void> {
    let left = jobs;
    while (left.length > 0) {
      // oxlint-disable-next-line no-await-in-loop -- a thread does one thing at a time
      const ended = await this.#attempt(left, shareMs);
      if (ended.kind === 'done') {
        known.take(left, ended.results);
        return;
      }
      const guilty = left[ended.at];
      if (guilty === undefined) return;
      known.blame(guilty, ended.detail);
      left = known.openOf(left);
    }
  }

  #attempt(jobs: readonly OwnedJob[], shareMs?: number): Promise<Attempt> {
    const worker = this.#started();
    const id = ++this.#works;
    const progress = this.#progress;
    Atomics.store(progress, 0, 0);
    return new Promise((resolve) => {
      const stop = (detail: string): void => {
        const at = Math.max(Math.min(Atomics.load(progress, 0), jobs.length) - 1, 0);
        clearInterval(watch);
        void this.#end(worker).then(() => resolve({ kind: 'stopped', at, detail }));
      };
      const watch = this.#watch(progress, () => stop(`It took more than ${JOB_MAX_MS} ms.`));
      this.#hears = {
        done: (done) => {
          if (done.id !== id) return;
          clearInterval(watch);
          resolve({ kind: 'done', results: done.results });
        },
        ended: stop,
      };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread of ours, no window
      worker.postMessage(packJobs(id, jobs, shareMs));
    });
  }

  /** T1: the same job for too long. */
  #watch(progress: Int32Array, stop: () => void): NodeJS.Timeout {
    let at = 0;
    let since = performance.now();
    return setInterval(() => {
      const now = Atomics.load(progress, 0);
      if (now !== at) {
        at = now;
        since = performance.now();
      } else if (performance.now() - since > (now === 0 ? START_MAX_MS : JOB_MAX_MS)) stop();
    }, LOOK_EVERY_MS);
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    this.#progress = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const worker = new Worker(new URL('./evaluation-thread.ts', import.meta.url), {
      workerData: this.#progress.buffer,
      env: {},
      resourceLimits: {
        maxOldGenerationSizeMb: HEAP_MAX_MB,
        maxYoungGenerationSizeMb: YOUNG_MB,
        stackSizeMb: STACK_MB,
      },
    });
    worker.on('message', (done: Done) => this.#of(worker)?.done(done));
    worker.on('error', (error: Error) =>
      this.#of(worker)?.ended(`It took too much memory: ${error.message}`),
    );
    worker.on('exit', () => this.#of(worker)?.ended('Its thread has ended.'));
    worker.unref();
    this.#worker = worker;
    return worker;
  }

  /** What a thread says that was ended is heard by nobody. */
  #of(worker: Worker): Hearing | undefined {
    return this.#worker === worker ? this.#hears : undefined;
  }

  /** T3 */
  async #end(worker: Worker): Promise<void> {
    this.#worker = undefined;
    const stuck = setTimeout(this.#onStuck, END_MAX_MS);
    await worker.terminate();
    clearTimeout(stuck);
  }
}

interface Hearing {
  readonly done: (done: Done) => void;
  readonly ended: (detail: string) => void;
}

type Attempt =
  | { readonly kind: 'done'; readonly results: readonly JobResult[] }
  | { readonly kind: 'stopped'; readonly at: number; readonly detail: string };

/** What is known of jobs that are worked on together. */
class Known {
  readonly #results = new Map<OwnedJob, JobResult>();
  readonly #stopped = new Stopped();
  readonly #shares: Shares;

  constructor(shareMs: number | undefined) {
    this.#shares = new Shares(shareMs);
  }

  take(jobs: readonly OwnedJob[], results: readonly JobResult[]): void {
    for (const [at, job] of jobs.entries()) {
      const result = results[at] ?? LOST;
      this.#results.set(job, result);
      if (result.kind === 'later') this.#shares.noteSpent(job);
    }
  }

  blame(guilty: OwnedJob, detail: string): void {
    const result: JobResult = { kind: 'overrun', detail };
    this.#results.set(guilty, result);
    this.#stopped.note(guilty, result);
  }

  /** Those that are still to be tried. */
  openOf(jobs: readonly OwnedJob[]): OwnedJob[] {
    for (const job of jobs) {
      const result = this.#stopped.resultOf(job) ?? this.#shares.resultOf(job);
      if (result !== undefined && !this.#results.has(job)) this.#results.set(job, result);
    }
    return jobs.filter((job) => !this.#results.has(job));
  }

  resultOf(job: OwnedJob): JobResult {
    return this.#results.get(job) ?? LOST;
  }
}

/** A thread that says less than it was asked for. */
const LOST: JobResult = { kind: 'overrun', detail: 'Its thread has ended.' };
