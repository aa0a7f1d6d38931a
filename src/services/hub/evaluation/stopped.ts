/**
 * What was stopped of jobs that are handed over together. One of a source is enough to know of it, and a few of a tenant's are what
 * it may cost the others: what is left untried comes again with a later batch, or alone (standings.ts).
 */
import { type JobResult, type OwnedJob, sourceRef } from './job.ts';

/** Of a tenant, at half a second each. */
const STOPPED_MAX = 2;

export class Stopped {
  readonly #sources = new Map<string, JobResult>();
  readonly #counts = new Map<string, number>();

  note(job: OwnedJob, result: JobResult): void {
    this.#sources.set(sourceRef(job), result);
    this.#counts.set(job.tenant, (this.#counts.get(job.tenant) ?? 0) + 1);
  }

  /** Of a job that is not tried any more. */
  resultOf(job: OwnedJob): JobResult | undefined {
    if (this.#sources.size === 0) return undefined;
    const known = this.#sources.get(sourceRef(job));
    if (known !== undefined) return known;
    return (this.#counts.get(job.tenant) ?? 0) >= STOPPED_MAX ? UNTRIED : undefined;
  }
}

const UNTRIED: JobResult = {
  kind: 'overrun',
  detail: 'Others of its tenant were stopped just now, and it is tried alone.',
  isUntried: true,
};
