/**
 * Two consumer groups that lock the same accounts would wait for each other in the database, each with the locks of a
 * whole batch in hand (measured: half the throughput). Accounts follow their partition, so in one process the groups
 * take turns by partition: while one works on some, the other works on the rest.
 *
 * A courtesy between workers of one process, not a lock: what it is told wrongly costs waiting, never correctness.
 */
export class PartitionTurns {
  readonly #taken = new Map<string, ReadonlySet<number>>();
  readonly #listeners = new Map<string, () => void>();

  /** `onFreed` is called when partitions that another group had are free again. */
  join(group: string, onFreed: () => void): void {
    this.#listeners.set(group, onFreed);
  }

  /** Of `wanted`, in its order, those that nobody has; no more than this group's part of `all`, to leave the others theirs. */
  take(group: string, wanted: readonly number[], all: number): number[] {
    const part = Math.max(1, Math.floor(all / Math.max(1, this.#listeners.size)));
    const free = wanted.filter((partition) => !this.#isTaken(partition)).slice(0, part);
    this.#taken.set(group, new Set(free));
    return free;
  }

  release(group: string): void {
    if ((this.#taken.get(group)?.size ?? 0) === 0) return;
    this.#taken.delete(group);
    for (const [other, onFreed] of this.#listeners) if (other !== group) onFreed();
  }

  #isTaken(partition: number): boolean {
    for (const partitions of this.#taken.values()) if (partitions.has(partition)) return true;
    return false;
  }
}
