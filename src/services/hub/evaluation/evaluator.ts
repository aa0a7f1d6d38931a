/**
 * Tenants' schemas and expressions, worked on in threads of their own, within bounds that do not depend on their goodwill.
 *
 * V1: a job that takes longer than JOB_MAX_MS, or more than HEAP_MAX_MB, is stopped by ending its thread, whatever it is
 *     doing: a recursion, a regular expression, a list that grows.
 * V2: what a thread was working on beside it is given to the next thread: nobody pays for another's loop but in time.
 * V3: of jobs with one source that are handed over together one is stopped, and the others with it. A source that was
 *     stopped three times for one message alone is not tried again for a while: each try costs everybody JOB_MAX_MS. How often
 *     it was tried with others is not counted: that depends on how batches fall, and its first message is to be a dead letter.
 * V4: what a process that stops has not worked on is no fault of a message: another process works on it.
 */
import { Worker } from 'node:worker_threads';
import { Fault } from '#kernel/fault.ts';
import { type Done, HEAP_MAX_MB, JOB_MAX_MS, type Job, type JobResult, packJobs } from './job.ts';

/** One for the steps' batches is enough for 10 000 messages a second; the other one, that an overrun stops not all. */
const THREADS = 2;
/** Jobs handed over at a time. */
const JOBS_PER_WORK = 256;
const LOOK_EVERY_MS = 25;
/** A thread that has just been started compiles everything anew. */
const FIRST_JOB_MAX_MS = 2000;
/** V3. As often as a consumer tries an event alone: then that one is a dead letter, and those behind it are not held up. */
const SHUNNED_AT = 3;
const SHUNNED_FOR_MS = 30_000;
const SHUNNED_MAX = 1000;
const STACK_MB = 4;
const YOUNG_MB = 16;

interface Waiting {
  readonly jobs: readonly Job[];
  readonly resolve: (results: readonly JobResult[]) => void;
}

export class Evaluator {
  readonly #queue: Waiting[] = [];
  readonly #threads: Thread[];
  readonly #shunned = new Map<string, { readonly count: number; readonly until: number }>();
  #closed = false;

  constructor() {
    this.#threads = Array.from({ length: THREADS }, () => new Thread(() => this.#handOut()));
  }

  /** The result of each, in their order. Rejects only because the process stops (V4). `isShared`: they are of several messages (V3). */
  async run(jobs: readonly Job[], { isShared = false } = {}): Promise<readonly JobResult[]> {
    const results = jobs.map((job) => this.#shunnedResult(job));
    const open = jobs.flatMap((job, index) => (results[index] === undefined ? { job, index } : []));
    const parts = Array.from({ length: Math.ceil(open.length / JOBS_PER_WORK) }, (_, part) =>
      open.slice(part * JOBS_PER_WORK, (part + 1) * JOBS_PER_WORK),
    );
    await Promise.all(
      parts.map(async (part) => {
        const found = await this.#submit(part.map(({ job }) => job));
        for (const [at, { index }] of part.entries()) results[index] = found[at];
        const stopped = part.filter((_job, at) => found[at]?.kind === 'overrun');
        if (isShared) return;
        for (const source of new Set(stopped.map(({ job }) => job.source))) this.#note(source);
      }),
    );
    if (this.#closed) throw new Fault('the process is stopping', { transient: true }); // V4
    return results as JobResult[];
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { resolve } of this.#queue.splice(0)) resolve([]);
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  #submit(jobs: readonly Job[]): Promise<readonly JobResult[]> {
    if (this.#closed) return Promise.resolve([]);
    return new Promise((resolve) => {
      this.#queue.push({ jobs, resolve });
      this.#handOut();
    });
  }

  #handOut(): void {
    for (const thread of this.#threads) {
      if (thread.isBusy) continue;
      const next = this.#queue.shift();
      if (next === undefined) return;
      void thread.perform(next.jobs).then(next.resolve);
    }
  }

  // V3
  #note(source: string): void {
    if (this.#shunned.size >= SHUNNED_MAX) this.#shunned.clear();
    const count = (this.#shunned.get(source)?.count ?? 0) + 1;
    this.#shunned.set(source, { count, until: performance.now() + SHUNNED_FOR_MS });
  }

  #shunnedResult({ source }: Job): JobResult | undefined {
    const shunned = this.#shunned.get(source);
    if (shunned === undefined) return undefined;
    if (shunned.until <= performance.now()) this.#shunned.delete(source);
    else if (shunned.count >= SHUNNED_AT) return SHUNNED;
    return undefined;
  }
}

const SHUNNED: JobResult = {
  kind: 'overrun',
  detail: 'It was stopped several times just now, and is not tried again for a while.',
  isShunned: true,
};

/** One thread, started when it is needed and again after it was ended. */
class Thread {
  readonly #onFree: () => void;
  #worker: Worker | undefined;
  #progress = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #isWarm = false;
  #hears: Hearing | undefined;
  #works = 0;
  #isClosed = false;
  isBusy = false;

  constructor(onFree: () => void) {
    this.#onFree = onFree;
  }

  async perform(jobs: readonly Job[]): Promise<readonly JobResult[]> {
    this.isBusy = true;
    const results: JobResult[] = [];
    // V2: what comes before the job that was stopped is cheap to do again, what comes behind it is still to be done.
    let left = jobs;
    while (left.length > 0) {
      // oxlint-disable-next-line no-await-in-loop -- a thread does one thing at a time
      const ended = await this.#attempt(left);
      if (this.#isClosed) break; // V4
      if (ended.kind === 'done') {
        results.push(...ended.results);
        break;
      }
      // oxlint-disable-next-line no-await-in-loop -- a thread does one thing at a time
      const before = ended.at === 0 ? [] : await this.#before(left.slice(0, ended.at));
      const source = left[ended.at]?.source;
      const stopped: JobResult = { kind: 'overrun', detail: ended.detail };
      results.push(...before, stopped);
      const behind = left.slice(ended.at + 1);
      // V3: up to the next of another source; those of the same one behind that are few.
      const next = behind.findIndex((job) => job.source !== source);
      const alike = next === -1 ? behind.length : next;
      results.push(...behind.slice(0, alike).map(() => stopped));
      left = behind.slice(alike);
    }
    this.isBusy = false;
    this.#onFree();
    return results;
  }

  /** What it works on is given up. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
  }

  /** They came through a moment ago. */
  async #before(jobs: readonly Job[]): Promise<readonly JobResult[]> {
    const ended = await this.#attempt(jobs);
    return ended.kind === 'done'
      ? ended.results
      : jobs.map(() => ({ kind: 'overrun', detail: ended.detail }) as const);
  }

  #attempt(jobs: readonly Job[]): Promise<Attempt> {
    const worker = this.#started();
    const id = ++this.#works;
    const progress = this.#progress;
    Atomics.store(progress, 0, 0);
    return new Promise((resolve) => {
      const stop = (detail: string): void => {
        const at = Math.min(Atomics.load(progress, 0), jobs.length - 1);
        clearInterval(watch);
        this.#end(worker);
        resolve({ kind: 'stopped', at, detail });
      };
      const watch = this.#watch(progress, () => stop(`It took more than ${JOB_MAX_MS} ms.`));
      this.#hears = {
        done: (done) => {
          if (done.id !== id) return;
          clearInterval(watch);
          this.#isWarm = true;
          resolve({ kind: 'done', results: done.results });
        },
        ended: stop,
      };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread of ours, no window
      worker.postMessage(packJobs(id, jobs));
    });
  }

  /** V1: the same job for too long. */
  #watch(progress: Int32Array, stop: () => void): NodeJS.Timeout {
    let at = 0;
    let since = performance.now();
    let isFirst = !this.#isWarm;
    return setInterval(() => {
      const now = Atomics.load(progress, 0);
      if (now !== at) {
        at = now;
        since = performance.now();
        isFirst = false;
      } else if (performance.now() - since > (isFirst ? FIRST_JOB_MAX_MS : JOB_MAX_MS)) stop();
    }, LOOK_EVERY_MS);
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    this.#progress = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    this.#isWarm = false;
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

  #end(worker: Worker): void {
    this.#worker = undefined;
    void worker.terminate();
  }
}

interface Hearing {
  readonly done: (done: Done) => void;
  readonly ended: (detail: string) => void;
}

type Attempt =
  | { readonly kind: 'done'; readonly results: readonly JobResult[] }
  | { readonly kind: 'stopped'; readonly at: number; readonly detail: string };
