/**
 * Tenants' schemas and expressions, worked on in processes of their own, within bounds that do not depend on their goodwill.
 *
 * V1: a job that takes longer than JOB_MAX_MS, or more than HEAP_MAX_MB, is stopped by ending its thread (thread.ts), and one
 *     that brings down more than its thread by that has brought down a process that has nothing but it (evaluating-process.ts).
 * V2: what was worked on beside it is worked on again: nobody pays for another's loop but in time.
 * V3: what was stopped is tried less and less, and at last not for a while: its source, and its tenant's (V5, standings.ts).
 * V4: what a process that stops has not worked on is no fault of a message: another process works on it.
 * V6: what is merely slow, and ends in time, takes no more than its tenant's share where there is one (shares.ts): then the rest
 *     of it is `later`, which is nothing against it.
 */
import { Fault } from '#kernel/fault.ts';
import { EvaluatingProcess, type Performed } from './evaluating-process.ts';
import type { JobResult, OwnedJob } from './job.ts';
import { LATER } from './shares.ts';
import { Standings } from './standings.ts';

/** One for the steps' batches is enough for 10 000 messages a second; the other one, that an overrun stops not all. */
const PROCESSES = 2;
/** Jobs handed over at a time. */
const JOBS_PER_WORK = 256;
/**
 * Of their messages, beyond the first: what waits in a thread, and what was made of it, takes of the same HEAP_MAX_MB as the job that is
 * worked on, which would be at fault for it. A text with one letter beyond Latin 1 has two bytes for each.
 */
const LENGTH_PER_WORK = 4 * 1024 * 1024;

interface Waiting {
  readonly jobs: readonly OwnedJob[];
  readonly shareMs: number | undefined;
  readonly resolve: (performed: Performed) => void;
  readonly reject: (error: unknown) => void;
}

interface Open {
  readonly job: OwnedJob;
  readonly index: number;
}

interface Running {
  readonly isShared?: boolean;
  readonly shareMs?: number | undefined;
}

export class Evaluator {
  readonly #queue: Waiting[] = [];
  readonly #processes: readonly EvaluatingProcess[];
  readonly #standings = new Standings();
  #closed = false;

  constructor() {
    this.#processes = Array.from({ length: PROCESSES }, () => new EvaluatingProcess(() => this.#handOut()));
  }

  /**
   * The result of each, in their order. `isShared`: they are of several messages (V3). `shareMs`: of each tenant (V6); one job alone is
   * never `later`. Rejects only over what is no message's doing: the process stops (V4), or can start no other.
   */
  async run(
    jobs: readonly OwnedJob[],
    { isShared = false, shareMs }: Running = {},
  ): Promise<readonly JobResult[]> {
    const results = jobs.map((job) => this.#standings.refusalOf(job, { isShared }));
    const open = jobs.flatMap((job, index) => (results[index] === undefined ? { job, index } : []));
    const works = worksOf(open, (tenant) => this.#standings.isApart(tenant));
    const share = {
      shareMs: shareMs === undefined ? undefined : shareMs / Math.min(works.length, PROCESSES),
      spent: new Set<string>(),
    };
    const next = works.values();
    const lane = async (): Promise<void> => {
      for (const work of next) {
        // oxlint-disable-next-line no-await-in-loop -- what was spent in one is not spent again in the next
        const found = await this.#perform(
          work.map(({ job }) => job),
          { isShared, ...share },
        );
        for (const [at, { index }] of work.entries()) results[index] = found[at];
      }
    };
    await Promise.all(Array.from({ length: PROCESSES }, lane));
    if (this.#closed) throw new Fault('the process is stopping', { transient: true }); // V4
    return results as JobResult[];
  }

  /** V6: of a tenant that has had its share in another work nothing is handed over. */
  async #perform(
    jobs: readonly OwnedJob[],
    { isShared, shareMs, spent }: { isShared: boolean; shareMs: number | undefined; spent: Set<string> },
  ): Promise<readonly (JobResult | undefined)[]> {
    const due = jobs.filter(({ tenant }) => !spent.has(tenant));
    const performed = due.length === 0 ? NOTHING : await this.#submit(due, shareMs);
    if (this.#closed) return [];
    this.#standings.note(due, performed.results, { isShared });
    if (performed.isUnexplained) this.#standings.noteEnded(due);
    const results = new Map(due.map((job, at) => [job, this.#judged(job, performed.results[at])]));
    for (const [job, result] of results) if (result?.kind === 'later') spent.add(job.tenant);
    return jobs.map((job) => (results.has(job) ? results.get(job) : LATER));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { resolve } of this.#queue.splice(0)) resolve(NOTHING);
    await Promise.all(this.#processes.map((each) => each.close()));
  }

  #submit(jobs: readonly OwnedJob[], shareMs: number | undefined): Promise<Performed> {
    if (this.#closed) return Promise.resolve(NOTHING);
    return new Promise((resolve, reject) => {
      this.#queue.push({ jobs, shareMs, resolve, reject });
      this.#handOut();
    });
  }

  #handOut(): void {
    for (const each of this.#processes) {
      if (each.isBusy) continue;
      const next = this.#queue.shift();
      if (next === undefined) return;
      void each.perform(next.jobs, next.shareMs).then(next.resolve, next.reject);
    }
  }

  /** What was stopped, as that which is not tried again for now if it is so by this. */
  #judged(job: OwnedJob, found: JobResult | undefined): JobResult | undefined {
    const isShunned =
      found?.kind === 'overrun' && this.#standings.refusalOf(job, { isShared: false }) !== undefined;
    return isShunned ? { ...found, isShunned } : found;
  }
}

const NOTHING: Performed = { results: [], isUnexplained: false };

/** Those of a tenant are together: who is slow is so in as few works as may be. */
function worksOf(open: readonly Open[], isApart: (tenant: string) => boolean): Open[][] {
  const byTenant = [...Map.groupBy(open, ({ job }) => job.tenant)];
  const together = byTenant.flatMap(([tenant, own]) => (isApart(tenant) ? [] : own));
  const apart = byTenant.flatMap(([tenant, own]) => (isApart(tenant) ? [own] : [])); // V7
  return [together, ...apart].flatMap(cut);
}

function cut(open: readonly Open[]): Open[][] {
  const works: Open[][] = [];
  let length = 0;
  for (const each of open) {
    const own = 'message' in each.job ? each.job.message.length : 0;
    const last = works.at(-1);
    if (last !== undefined && last.length < JOBS_PER_WORK && length + own <= LENGTH_PER_WORK) {
      last.push(each);
      length += own;
    } else {
      works.push([each]);
      length = own;
    }
  }
  return works;
}
