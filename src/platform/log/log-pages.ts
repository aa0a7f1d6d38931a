/**
 * Reading a topic from the outside, page by page: by partition and position, which is the order within a partition;
 * between partitions there is none. What lies before the first event of the caller's tenant is passed over in bounded
 * stretches, so a page may still be empty and have a next one: `more` tells.
 */
import { parseExactly } from '#kernel/exact-integer.ts';
import type { Reader } from '../postgres/read-pool.ts';
import type { LogEvent } from './event.ts';
import { decodeEvent, type EventRow } from './event-log.ts';

/** Stretches that are read for one page; each is a query of a millisecond or so. */
const STRETCHES_MAX = 50;

/** The position read up to, by partition. */
export type LogPlace = readonly number[];

export interface LogPage {
  readonly events: readonly LogEvent[];
  /** Where the next page starts; equal to where this one did when nothing is new. */
  readonly place: LogPlace;
  readonly more: boolean;
}

export class LogPages {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Positions of the heads of a topic, by partition. */
  async heads(topic: string): Promise<LogPlace> {
    const rows = await this.#reader.query<{ partition: number; position: bigint }>(
      'select partition, position from log.heads where topic = $1 order by partition',
      [topic],
    );
    return rows.map((row) => Number(row.position));
  }

  /** From `place` on, up to `limit` events of the tenant. */
  async read(topic: string, tenant: string, place: LogPlace, limit: number): Promise<LogPage> {
    let page = await this.#stretch(topic, tenant, place, limit);
    for (let read = 1; read < STRETCHES_MAX && page.more && page.events.length === 0; read++)
      page = await this.#stretch(topic, tenant, page.place, limit);
    return page;
  }

  /** Up to `limit` positions after `place`, those of the tenant. By primary key. */
  async #stretch(topic: string, tenant: string, place: LogPlace, limit: number): Promise<LogPage> {
    const heads = await this.heads(topic);
    const next = heads.map((_, partition) => place[partition] ?? 0);
    const partitions: number[] = [];
    const after: number[] = [];
    const upTo: number[] = [];
    let room = limit;
    heads.forEach((head, partition) => {
      const from = next[partition] ?? 0;
      // A fair part for each that is left, so that a busy partition never keeps the ones behind it from being read.
      const part = Math.ceil(room / (heads.length - partition));
      const count = Math.min(part, head - from);
      if (count <= 0) return;
      room -= count;
      partitions.push(partition);
      after.push(from);
      upTo.push(from + count);
      next[partition] = from + count;
    });
    const events = await this.#events(topic, tenant, { partitions, after, upTo });
    return { events, place: next, more: heads.some((head, partition) => head > (next[partition] ?? 0)) };
  }

  async #events(
    topic: string,
    tenant: string,
    ranges: { partitions: number[]; after: number[]; upTo: number[] },
  ): Promise<LogEvent[]> {
    if (ranges.partitions.length === 0) return [];
    const rows = await this.#reader.query<EventRow>(
      `select e.* from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as range(partition, after, up_to)
       cross join lateral (
         select * from "${topic}".events e
         where e.partition = range.partition and e.position > range.after and e.position <= range.up_to and e.tenant = $4
         order by e.position
       ) e
       order by e.partition, e.position`,
      [ranges.partitions, ranges.after, ranges.upTo, tenant],
    );
    // Who reads from the outside is told all digits of sums that no number holds; our own consumers need none.
    return rows.map((row) => decodeEvent(topic, row, parseExactly));
  }
}
