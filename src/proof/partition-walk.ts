/**
 * Proves the events and batches of one partition, page by page, from the first to the head; C1 to C4 are those of
 * verify-log.ts.
 */
import { DIGEST_BYTES, merkleRoot } from '#kernel/merkle.ts';
import { schemaOf } from './installation.ts';
import type { Lane } from './lane.ts';
import { LEAF_SQL } from './leaf-sql.ts';
import type { PageSize } from './page-size.ts';
import { type Batch, chainOf, genesisOf, nameOf, type Partition } from './partition-chain.ts';
import type { Phase } from './progress.ts';
import type { Check } from './report.ts';

export const EVENTS_PAGE = { first: 4_000, least: 500, most: 16_000 };
/** A batch is of one commit: of thousands of requests at most, each with a few events. What counts more is not believed. */
const BATCH_EVENTS_MAX = 100_000;

/** A partition, and where it ends. */
export interface Tip extends Partition {
  /** Undefined: the partition has no head. */
  readonly head: { readonly position: number; readonly chain: Buffer } | undefined;
  readonly lastEvent: number;
  readonly lastBatch: { readonly first: bigint; readonly chain: Buffer } | undefined;
}

/** A batch with the positions up to the next one, or up to the head. */
interface PlacedBatch extends Batch {
  readonly room: number;
}

export interface WalkOptions {
  readonly lane: Lane;
  readonly tip: Tip;
  readonly pageSize: PageSize;
  readonly check: Check;
  readonly phase: Phase;
}

export class PartitionWalk {
  readonly #lane: Lane;
  readonly #tip: Tip;
  readonly #pageSize: PageSize;
  readonly #check: Check;
  readonly #phase: Phase;
  /** The next position that no batch has covered yet. */
  #next = 1;
  #chain: Buffer;

  constructor(options: WalkOptions) {
    this.#lane = options.lane;
    this.#tip = options.tip;
    this.#pageSize = options.pageSize;
    this.#check = options.check;
    this.#phase = options.phase;
    this.#chain = genesisOf(options.tip);
  }

  async run(): Promise<void> {
    const end = this.#tip.head?.position ?? this.#tip.lastEvent;
    for (let after = 0; ; ) {
      const startedAt = performance.now();
      const batches = await this.#readBatches(after, end);
      const last = batches.at(-1);
      if (last === undefined) break;
      await this.#provePage(batches);
      after = last.first;
      this.#pageSize.took(performance.now() - startedAt);
    }
    if (this.#next <= end) await this.#reportUncovered(end);
  }

  /**
   * The next batches, those that begin within a page of positions; at least one. By primary key. Their counts bound nothing:
   * they may be anything.
   */
  async #readBatches(after: number, end: number): Promise<PlacedBatch[]> {
    const rows = await this.#lane.query<{
      first: bigint;
      count: number;
      root: Buffer;
      chain: Buffer;
      room: bigint;
    }>(
      `select first, count, root, chain, coalesce(next, $3::bigint + 1) - first as room
       from (
         select *, min(first) over () as page, lead(first) over (order by first) as next
         from (
           select first, count, root, chain from ${schemaOf(this.#tip.topic)}.batches
           where partition = $1 and first > $2 and first <= $3
           order by first limit $4::integer + 1
         ) as read
       ) as followed
       where first < page + $4
       order by first`,
      [this.#tip.partition, after, end, this.#pageSize.rows],
    );
    return rows.map((row) => ({ ...row, first: Number(row.first), room: Number(row.room) }));
  }

  async #provePage(batches: readonly PlacedBatch[]): Promise<void> {
    const from = (batches[0] as Batch).first;
    const leaves = await this.#readLeaves(from, lastOf(batches.at(-1) as PlacedBatch));
    for (const batch of batches) {
      this.#proveTiling(batch);
      this.#proveRoot(batch, leaves);
      this.#next = lastOf(batch) + 1;
      this.#chain = batch.chain;
    }
    for (const position of leaves.missing) this.#missingEvent(position);
    this.#check.looked(leaves.count);
    this.#phase.advance(leaves.count);
  }

  /** C2, C4. Where batches do not join, their chain values cannot: that is one finding, not two. */
  #proveTiling(batch: PlacedBatch): void {
    const { first, count, room } = batch;
    if (first > this.#next) {
      this.#found('missing_batch', this.#next, `no batch covers ${this.#next} to ${first - 1}`);
    } else if (endOf(batch) > lastOf(batch)) {
      const detail = `it counts ${count} events, and has ${room} at most: up to the next batch, or to the end of the log`;
      this.#found('overlapping_batch', first, detail);
    } else if (!batch.chain.equals(chainOf(this.#chain, batch))) {
      this.#found(
        'wrong_chain',
        first,
        'the chain value does not follow from the one before it and the batch',
      );
    }
  }

  /** C3. A batch that lacks an event cannot be hashed; the event is the finding. */
  #proveRoot(batch: Batch, leaves: Leaves): void {
    const own = leaves.of(batch);
    if (own === undefined || merkleRoot(own).equals(batch.root)) return;
    const detail = `the events ${batch.first} to ${endOf(batch)} do not hash to the root of their batch`;
    this.#found('wrong_root', batch.first, detail);
  }

  async #readLeaves(from: number, upTo: number): Promise<Leaves> {
    const events = `${schemaOf(this.#tip.topic)}.events`;
    const [row] = await this.#lane.query<{ count: number; leaves: Buffer | null }>(
      `select count(*)::integer as count, string_agg(leaf, ''::bytea order by position) as leaves
       from (select position, ${LEAF_SQL} as leaf from ${events}
             where partition = $1 and position between $2 and $3) as hashed`,
      [this.#tip.partition, from, upTo],
    );
    const count = row?.count ?? 0;
    const missing = count === upTo - from + 1 ? [] : await this.#readMissing(from, upTo);
    return new Leaves({ from, upTo, bytes: row?.leaves ?? Buffer.alloc(0), count, missing });
  }

  async #readMissing(from: number, upTo: number): Promise<number[]> {
    const rows = await this.#lane.query<{ position: bigint }>(
      `select position from generate_series($2::bigint, $3::bigint) as expected(position)
       except select position from ${schemaOf(this.#tip.topic)}.events where partition = $1 and position between $2 and $3
       order by position`,
      [this.#tip.partition, from, upTo],
    );
    return rows.map(({ position }) => Number(position));
  }

  /** Positions up to the head that no batch covers: whether their events are there or not. Behind the last event there are none. */
  async #reportUncovered(end: number): Promise<void> {
    this.#found('missing_batch', this.#next, `no batch covers ${this.#next} to ${end}`);
    const last = Math.min(end, this.#tip.lastEvent);
    while (this.#next <= last) {
      const upTo = Math.min(last, this.#next + EVENTS_PAGE.most - 1);
      for (const position of await this.#readMissing(this.#next, upTo)) this.#missingEvent(position);
      this.#phase.advance(upTo - this.#next + 1);
      this.#next = upTo + 1;
    }
    if (this.#next === end) this.#missingEvent(end);
    else if (this.#next < end)
      this.#found('missing_event', this.#next, `the log has no event at this position, nor any up to ${end}`);
  }

  /** C1 */
  #missingEvent(position: number): void {
    this.#found('missing_event', position, 'the log has no event at this position');
  }

  #found(kind: string, position: number, detail: string): void {
    this.#check.found({ kind, subject: `${nameOf(this.#tip)}/${position}`, detail });
  }
}

/** The leaves of a page, one after the other, without those of missing events. */
class Leaves {
  readonly count: number;
  readonly missing: readonly number[];
  readonly #from: number;
  readonly #upTo: number;
  readonly #bytes: Buffer;

  constructor(page: {
    from: number;
    upTo: number;
    bytes: Buffer;
    count: number;
    missing: readonly number[];
  }) {
    this.#from = page.from;
    this.#upTo = page.upTo;
    this.#bytes = page.bytes;
    this.count = page.count;
    this.missing = page.missing;
  }

  /** Undefined unless all are there. */
  of({ first, count }: Batch): Buffer[] | undefined {
    const end = first + count - 1;
    if (end > this.#upTo || this.missing.some((position) => position >= first && position <= end))
      return undefined;
    const missingBefore = this.missing.filter((position) => position < first).length;
    const start = (first - this.#from - missingBefore) * DIGEST_BYTES;
    return Array.from({ length: count }, (_, index) =>
      this.#bytes.subarray(start + index * DIGEST_BYTES, start + (index + 1) * DIGEST_BYTES),
    );
  }
}

function endOf({ first, count }: Batch): number {
  return first + count - 1;
}

/** Where it ends, if it ends before the next one begins; else as far as it can reach. */
function lastOf({ first, count, room }: PlacedBatch): number {
  return first + Math.min(count, room, BATCH_EVENTS_MAX) - 1;
}
