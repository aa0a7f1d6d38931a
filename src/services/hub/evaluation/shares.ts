/**
 * How much of the time that jobs are worked on together each tenant may have. What ends in time, and is merely slow, would hold
 * those of everybody else beside it. The first of a tenant is worked on whatever its share is, so that there is always progress.
 */
import type { JobResult, OwnedJob } from './job.ts';

export class Shares {
  readonly #shareMs: number;
  readonly #spentMs = new Map<string, number>();

  constructor(shareMs = Number.POSITIVE_INFINITY) {
    this.#shareMs = shareMs;
  }

  note({ tenant }: OwnedJob, tookMs: number): void {
    this.#spentMs.set(tenant, (this.#spentMs.get(tenant) ?? 0) + tookMs);
  }

  /** Where it is known from elsewhere that nothing of it is left. */
  noteSpent({ tenant }: OwnedJob): void {
    this.#spentMs.set(tenant, this.#shareMs);
  }

  /** Of a job that is not worked on now. */
  resultOf({ tenant }: OwnedJob): JobResult | undefined {
    return (this.#spentMs.get(tenant) ?? Number.NEGATIVE_INFINITY) >= this.#shareMs ? LATER : undefined;
  }
}

export const LATER: JobResult = { kind: 'later' };
