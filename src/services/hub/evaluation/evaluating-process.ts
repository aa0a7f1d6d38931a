/**
 * A process for tenants' expressions, seen from the one that has started it. A thread's bounds are not enough: a text that is
 * joined costs no memory until it is read, and a single step that then needs hundreds of MiB, or a list of 2^27 items, ends the
 * whole process (seen: `$split($pad("a", 200000000), "")`, and `$length` of a text that was doubled 24 times).
 *
 * E1: what ends the process is known by its source: what it was working on is done again, one source at a time.
 *     Where none of them ends it again (what goes by the time may not), that is told (standings.ts, V7).
 * E2: one that does not even start, or was closed, is no fault of a message.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { Fault } from '#kernel/fault.ts';
import { type Done, type JobResult, type OwnedJob, packJobs, sourceRef, type Work } from './job.ts';
import { Shares } from './shares.ts';
import { Stopped } from './stopped.ts';

export interface Performed {
  readonly results: readonly JobResult[];
  /** The process has ended over them together, and over none of them by itself. */
  readonly isUnexplained: boolean;
}

/** Started when it is needed, and again after it has ended. */
export class EvaluatingProcess {
  readonly #onFree: () => void;
  #child: ChildProcess | undefined;
  #hears: Hearing | undefined;
  #works = 0;
  #isClosed = false;
  isBusy = false;

  constructor(onFree: () => void) {
    this.#onFree = onFree;
  }

  async perform(jobs: readonly OwnedJob[], shareMs?: number): Promise<Performed> {
    this.isBusy = true;
    try {
      const found = await this.#attempt(jobs, shareMs);
      if (found !== undefined) return { results: found, isUnexplained: false };
      const results = await this.#bySource(jobs, shareMs);
      return { results, isUnexplained: !results.includes(TOO_MUCH) };
    } finally {
      this.isBusy = false;
      this.#onFree();
    }
  }

  /** What it works on is given up. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.ref();
    child.kill('SIGKILL');
    await ended;
  }

  /** E1. Those of one source that are handed over together are stopped together (stopped.ts). */
  async #bySource(jobs: readonly OwnedJob[], shareMs?: number): Promise<readonly JobResult[]> {
    const groups = [...Map.groupBy(jobs, sourceRef).values()];
    const results = new Map<OwnedJob, JobResult>();
    const stopped = new Stopped();
    const shares = new Shares(shareMs);
    for (const alike of groups) {
      const [first] = alike;
      if (first === undefined) continue;
      const untried = stopped.resultOf(first) ?? shares.resultOf(first);
      // oxlint-disable-next-line no-await-in-loop -- the one that ends the process is alone in it
      const found = untried || groups.length === 1 ? undefined : await this.#attempt(alike, shareMs);
      if (untried === undefined && found === undefined) stopped.note(first, TOO_MUCH);
      if (found?.some(({ kind }) => kind === 'later') === true) shares.noteSpent(first);
      for (const [index, job] of alike.entries()) results.set(job, untried ?? found?.[index] ?? TOO_MUCH);
    }
    return jobs.map((job) => results.get(job) ?? TOO_MUCH);
  }

  /** Nothing if the process has ended over it. */
  async #attempt(jobs: readonly OwnedJob[], shareMs?: number): Promise<readonly JobResult[] | undefined> {
    if (this.#isClosed) throw CLOSED; // E2
    const child = this.#started();
    hold(child);
    return this.#heard(child, (id) => packJobs(id, jobs, shareMs)).finally(() => letGo(child));
  }

  #heard(child: ChildProcess, work: (id: number) => Work): Promise<readonly JobResult[] | undefined> {
    const id = ++this.#works;
    return new Promise((resolve, reject) => {
      this.#hears = {
        done: (done) => {
          if (done.id === id) resolve(done.results);
        },
        ended: ({ wasReady }) => {
          if (this.#isClosed) reject(CLOSED);
          else if (wasReady) resolve(undefined);
          else reject(new Fault('the process for expressions does not start', { transient: true })); // E2
        },
      };
      child.send(work(id), () => {}); // one that cannot be told has ended, and says so itself
    });
  }

  #started(): ChildProcess {
    if (this.#child !== undefined) return this.#child;
    const child = fork(new URL('./evaluation-process.ts', import.meta.url), {
      env: {},
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    let wasReady = false;
    const ended = (): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#hears?.ended({ wasReady });
    };
    child.on('message', (said: Done | 'ready') => {
      if (said === 'ready') wasReady = true;
      else this.#hears?.done(said);
    });
    child.on('error', ended);
    child.on('exit', ended);
    letGo(child);
    this.#child = child;
    return child;
  }
}

/** Whoever waits for it does not end before. */
function hold(child: ChildProcess): void {
  child.ref();
  child.channel?.ref();
}

/** Whoever has started it ends without asking it. */
function letGo(child: ChildProcess): void {
  child.unref();
  child.channel?.unref();
}

interface Hearing {
  readonly done: (done: Done) => void;
  readonly ended: (how: { readonly wasReady: boolean }) => void;
}

const CLOSED = new Fault('the process is stopping', { transient: true });
const TOO_MUCH: JobResult = { kind: 'overrun', detail: 'It took too much memory: its process has ended.' };
