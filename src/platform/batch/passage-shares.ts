/**
 * Divides the partitions that a process owns between a passage and the consumers of its stages: the passage has those that
 * the process owns in every group of it, the consumers the others, and those that the passage has left to them for a while.
 * What is told wrongly or late costs time: two that work on one partition meet at the fence (R1).
 */

interface Owner {
  own(partitions: readonly number[]): void;
}

export class PassageShares {
  readonly #groups: readonly string[];
  readonly #stages: ReadonlyMap<string, Owner>;
  readonly #passages: readonly Owner[];
  readonly #now: () => number;
  readonly #owned = new Map<string, readonly number[]>();
  /** Partition → until when it is the stages', on the clock of `now`. */
  readonly #yielded = new Map<number, number>();

  /** Of several passages each has its part of the partitions, so that one decides while another waits for its commit. */
  constructor(options: {
    groups: readonly string[];
    stages: ReadonlyMap<string, Owner>;
    passages: readonly Owner[];
    now?: () => number;
  }) {
    this.#groups = options.groups;
    this.#stages = options.stages;
    this.#passages = options.passages;
    this.#now = options.now ?? (() => performance.now());
  }

  /** What the leases say of a group. Told every second whether it changed or not, which is when a yield ends. */
  own(group: string, partitions: readonly number[]): void {
    this.#owned.set(group, partitions);
    this.#divide();
  }

  yield(partitions: readonly number[], forMs: number): void {
    for (const partition of partitions) this.#yielded.set(partition, this.#now() + forMs);
    this.#divide();
  }

  #divide(): void {
    for (const [partition, until] of this.#yielded) if (until <= this.#now()) this.#yielded.delete(partition);
    const passing = this.#inEveryGroup().filter((partition) => !this.#yielded.has(partition));
    for (const [group, stage] of this.#stages)
      stage.own((this.#owned.get(group) ?? []).filter((partition) => !passing.includes(partition)));
    this.#passages.forEach((passage, index) => {
      passage.own(passing.filter((partition) => partition % this.#passages.length === index));
    });
  }

  #inEveryGroup(): readonly number[] {
    const [first, ...others] = this.#groups.map((group) => this.#owned.get(group) ?? []);
    return (first ?? []).filter((partition) => others.every((partitions) => partitions.includes(partition)));
  }
}
