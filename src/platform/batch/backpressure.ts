/**
 * What the lag of the groups that a payment waits for means for the next payment. What a group reads of one partition of
 * one topic is a *place*; a payment passes places of its wallet's partition only.
 *
 * J1: the lag of all places together slows intake past the soft bound and refuses past the hard one.
 * J2: a place that stands while its group goes on elsewhere is left out of that: its event fails alone (W6), and most
 *     payments never meet it. If a whole group stands, all of its lag counts.
 * J3: a partition is refused when its own lag has passed its share of the hard bound, generously measured.
 * J4: a partition without lag is not refused for the others': nothing of it waits, so one more payment will not wait.
 *     It also lets a group show that it goes on, however much stands elsewhere.
 */

/** How far one group is behind in one topic. */
export interface TopicLag {
  readonly group: string;
  readonly topic: string;
  /** By partition: the last event passed. */
  readonly positions: readonly number[];
  /** By partition: events still to pass. */
  readonly lags: readonly number[];
}

export interface BackpressureBounds {
  /** Events of lag. */
  readonly soft: number;
  readonly hard: number;
}

/** The least delay past the soft bound, how fast it grows with the lag, and where it ends: a caller's patience. */
const FIRST_DELAY_MS = 2;
const DELAY_MS_PER_EVENT = 0.01;
const MAX_DELAY_MS = 100;
/**
 * So many looks must see a group move before a place that stood in all of them stands alone. Ten a second: longer than
 * it takes to take over the partitions of a process that died. Counted, not timed: while everything stands, nothing is said.
 */
export const LOOKS_PASSED_OVER = 60;
/** J3: wallets do not spread evenly, and a busy one is no fault. */
const GENEROUS = 4;

interface Place {
  readonly position: number;
  /** Looks that saw its group move and not it, since it was last seen moving or empty. */
  readonly passedOver: number;
}

export class Backpressure {
  readonly #bounds: BackpressureBounds;
  #places: ReadonlyMap<string, Place> = new Map();
  /** Of the places that do not stand alone. */
  #common = 0;
  #byPartition: readonly number[] = [];

  constructor(bounds: BackpressureBounds) {
    this.#bounds = bounds;
  }

  /** A look at the groups that a payment waits for. */
  see(topics: readonly TopicLag[]): void {
    const moving = new Set(topics.filter((topic) => this.#hasMoved(topic)).map(({ group }) => group));
    const places = new Map<string, Place>();
    const byPartition: number[] = [];
    let common = 0;
    for (const topic of topics) {
      for (const [partition, lag] of topic.lags.entries()) {
        const place = this.#placeNow(topic, partition, moving.has(topic.group));
        places.set(placeOf(topic, partition), place);
        byPartition[partition] = (byPartition[partition] ?? 0) + lag;
        if (place.passedOver < LOOKS_PASSED_OVER) common += lag; // J2
      }
    }
    this.#places = places;
    this.#byPartition = byPartition;
    this.#common = common;
  }

  /** Whether a payment of this partition has to be refused. */
  refuses(partition: number): boolean {
    const own = this.#byPartition[partition] ?? 0;
    if (own > this.#partitionBound) return true; // J3
    return this.#common > this.#bounds.hard && own > 0; // J1, J4
  }

  /** How long intake waits before its next commit. */
  delayMs(): number {
    const excess = this.#common - this.#bounds.soft;
    if (excess <= 0) return 0;
    return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS + excess * DELAY_MS_PER_EVENT);
  }

  /** Never below the soft bound: what does not even slow intake refuses nobody. */
  get #partitionBound(): number {
    const { soft, hard } = this.#bounds;
    const share = Math.ceil((GENEROUS * hard) / Math.max(1, this.#byPartition.length));
    return Math.min(hard, Math.max(soft, share));
  }

  #hasMoved(topic: TopicLag): boolean {
    return topic.positions.some((position, partition) => {
      const before = this.#places.get(placeOf(topic, partition));
      return before !== undefined && before.position !== position;
    });
  }

  #placeNow(topic: TopicLag, partition: number, groupMoves: boolean): Place {
    const position = topic.positions[partition] ?? 0;
    const before = this.#places.get(placeOf(topic, partition));
    if (before?.position !== position || topic.lags[partition] === 0) return { position, passedOver: 0 };
    return { position, passedOver: before.passedOver + (groupMoves ? 1 : 0) };
  }
}

function placeOf({ group, topic }: TopicLag, partition: number): string {
  return `${group}/${topic}/${partition}`;
}
