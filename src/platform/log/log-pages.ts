/**
 * Reading a topic from the outside, page by page: by partition and position, which is the order within a partition;
 * between partitions there is none. What lies before the first event of the caller's tenant is passed over in bounded
 * stretches, so a page may still be empty and have a next one: `more` tells. Of events that are large a page has few, one at least.
 */
import { parseExactly } from '#kernel/exact-integer.ts';
import type { Reader } from '../postgres/read-pool.ts';
import type { LogEvent } from './event.ts';
import { decodeEvent, ENVELOPE_COLUMNS, type EventRow } from './event-log.ts';

/** Stretches that are read for one page; each is a query of a millisecond or so. */
const STRETCHES_MAX = 50;
/** Of the data of a page's events, but for its last: an event may carry a message of 64 KiB, and a page of them would be tens of megabytes. */
const PAGE_MAX_BYTES = 1024 * 1024;

/** The position read up to, by partition. */
export type LogPlace = readonly number[];

export interface LogPage {
  readonly events: readonly LogEvent[];
  /** Where the next page starts; equal to where this one did when nothing is new. */
  readonly place: LogPlace;
  readonly more: boolean;
}

/** Without data: there is no room for it on the page. */
type PagedRow = Omit<EventRow, 'data'> & { readonly data: string | null };

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

  /** Up to `limit` positions after `place`, those of the tenant, as many as there is room for. By primary key. */
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
    const events: LogEvent[] = [];
    for (const { data, ...row } of await this.#rows(topic, tenant, { partitions, after, upTo })) {
      // Who reads from the outside is told all digits of sums that no number holds; our own consumers need none.
      if (data !== null) events.push(decodeEvent(topic, { ...row, data }, parseExactly));
      // The next page starts right before the first one for which there is no room.
      else next[row.partition] = Math.min(next[row.partition] ?? 0, Number(row.position) - 1);
    }
    return { events, place: next, more: heads.some((head, partition) => head > (next[partition] ?? 0)) };
  }

  /**
   * In the order of a page. Room is given to what is nearest to where each partition is read from, and of that to what has the
   * lowest position: so no partition waits for ever behind those that are busy, and of each the last ones have none. Data for
   * which there is none is not read.
   */
  async #rows(
    topic: string,
    tenant: string,
    ranges: { partitions: number[]; after: number[]; upTo: number[] },
  ): Promise<PagedRow[]> {
    if (ranges.partitions.length === 0) return [];
    return this.#reader.query<PagedRow>(
      `select ${ENVELOPE_COLUMNS}, case when e.before < $5 then e.data end as data
       from (
         select e.*, sum(octet_length(e.data)) over nearest - octet_length(e.data) as before
         from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as range(partition, after, up_to)
         cross join lateral (
           select * from "${topic}".events e
           where e.partition = range.partition and e.position > range.after and e.position <= range.up_to and e.tenant = $4
           order by e.position
         ) e
         window nearest as (order by e.position - range.after, e.position, e.partition)
       ) e
       order by e.partition, e.position`,
      [ranges.partitions, ranges.after, ranges.upTo, tenant, PAGE_MAX_BYTES],
    );
  }
}
