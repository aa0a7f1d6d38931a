/** A consumer's worker as the leases see it: told which partitions are this process's. */
import type { HeldPartitions } from '#platform/log/held-partitions.ts';

export interface LeasedWorker {
  readonly group: string;
  /** `until`: for certain, on the clock of `performance`. */
  own(partitions: readonly number[], until?: number): void;
}

/** The worker, with one beside it who knows what it holds: for what only the owner of a partition does. */
export function followedBy(held: HeldPartitions, worker: LeasedWorker): LeasedWorker {
  return {
    group: worker.group,
    own(partitions, until = 0) {
      held.note(partitions, until);
      worker.own(partitions, until);
    },
  };
}
