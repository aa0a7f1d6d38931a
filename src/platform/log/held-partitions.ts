/**
 * Which partitions a process holds for a group, at this moment: what the last turn of the leases said, as long as that is
 * certain. A process that was stopped and wakes up holds nothing until it has asked again.
 */
export class HeldPartitions {
  readonly #now: () => number;
  #partitions: readonly number[] = [];
  #until = 0;

  /** `now` in ms, of a clock that nobody sets and that goes on while the process is stopped. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Told after each turn. */
  note(partitions: readonly number[], until: number): void {
    this.#partitions = partitions;
    this.#until = until;
  }

  has(partition: number): boolean {
    return this.#now() < this.#until && this.#partitions.includes(partition);
  }
}
