/**
 * Divides the partitions that a process owns between a passage and the consumers of its stages: the passage has those that
 * the process owns in every group of it, the consumers the others, and those that the passage has left to them for a while.
 * What is told wrongly or late costs time: two that work on one partition meet at the fence (R1).
 */

/**
 * Before its time with the stages ends, a partition's first stage takes nothing new, so that the others work off what lies
 * between them: under load there is never nothing otherwise, and the passage would not find it in step. More than a turn
 * of the leases, so that one falls into it.
 */
const DRAIN_MS = 1500;

interface Owner {
  own(partitions: readonly number[]): void;
}

export class PassageShares {
  /** In the order of the passage. */
  readonly #groups: readonly string[];
  readonly #stages: ReadonlyMap<string, Owner>;
  readonly #passage: Owner;
  readonly #now: () => number;
  readonly #owned = new Map<string, readonly number[]>();
  /** Partition → until when it is the stages', on the clock of `now`. */
  readonly #yielded = new Map<number, number>();

  constructor(options: {
    groups: readonly string[];
    stages: ReadonlyMap<string, Owner>;
    passage: Owner;
    now?: () => number;
  }) {
    this.#groups = options.groups;
    this.#stages = options.stages;
    this.#passage = options.passage;
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
    const now = this.#now();
    for (const [partition, until] of this.#yielded) if (until <= now) this.#yielded.delete(partition);
    const passing = this.#inEveryGroup().filter((partition) => !this.#yielded.has(partition));
    for (const [group, stage] of this.#stages)
      stage.own(
        (this.#owned.get(group) ?? []).filter(
          (partition) =>
            !passing.includes(partition) && !(group === this.#groups[0] && this.#isDraining(partition, now)),
        ),
      );
    this.#passage.own(passing);
  }

  #isDraining(partition: number, now: number): boolean {
    const until = this.#yielded.get(partition);
    return until !== undefined && until - now <= DRAIN_MS && this.#inEveryGroup().includes(partition);
  }

  #inEveryGroup(): readonly number[] {
    const [first, ...others] = this.#groups.map((group) => this.#owned.get(group) ?? []);
    return (first ?? []).filter((partition) => others.every((partitions) => partitions.includes(partition)));
  }
}
