/**
 * How many sagas of each tenant have which verdict, counted anew all the time and a page at a time: a request reads the
 * last count, and never counts itself. A counter that every verdict moves would be a lock that all batches share.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { int8Array, textArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement } from '#platform/postgres/session.ts';

/** Some 10 ms. */
const PAGE = 10_000;

/** By primary key. */
export const COUNT_VERDICTS = statement(
  'integrity.count_verdicts',
  `select tenant, verdict, count(*)::integer as count, max(subject) as last
   from (select subject, tenant, verdict from integrity.verdicts where subject > $1 order by subject limit ${PAGE}) as page
   group by tenant, verdict`,
);

/** Sagas under way for longer than is kept in memory. By primary key. */
export const COUNT_FOLLOWED = statement(
  'integrity.count_followed',
  `select tenant, 'running' as verdict, count(*)::integer as count, max(subject) as last
   from (select subject, tenant from integrity.followed where subject > $1 order by subject limit ${PAGE}) as page
   group by tenant`,
);

const SAVE_CENSUS = statement(
  'integrity.save_census',
  `insert into integrity.census as c (tenant, complete, broken, running, counted_at)
   select tenant, complete, broken, running, $5::timestamptz
   from ${batchRows('v', { tenant: 'text', complete: 'bigint', broken: 'bigint', running: 'bigint' })}
   on conflict (tenant) do update set complete = excluded.complete, broken = excluded.broken,
     running = excluded.running, counted_at = excluded.counted_at`,
);

type Verdict = 'complete' | 'broken' | 'running';
type Tally = Record<Verdict, number>;

interface CountRow {
  tenant: string;
  verdict: Verdict;
  count: number;
  last: string;
}

export class Census {
  readonly #session: Session;
  readonly #tallies = new Map<string, Tally>();
  #counting: 'verdicts' | 'followed' = 'verdicts';
  #after = '';

  constructor(session: Session) {
    this.#session = session;
  }

  /** One page; whether a round has ended by it. */
  async count(now: EpochMs): Promise<boolean> {
    const statementOf = this.#counting === 'verdicts' ? COUNT_VERDICTS : COUNT_FOLLOWED;
    const rows = await this.#session.query<CountRow>(statementOf, [this.#after]);
    for (const { tenant, verdict, count } of rows) this.#tallyOf(tenant)[verdict] += count;
    this.#after = rows.reduce((last, row) => (row.last > last ? row.last : last), this.#after);
    const isLast = rows.reduce((sum, { count }) => sum + count, 0) < PAGE;
    if (!isLast) return false;
    this.#after = '';
    if (this.#counting === 'verdicts') {
      this.#counting = 'followed';
      return false;
    }
    this.#counting = 'verdicts';
    await this.#save(now);
    return true;
  }

  #tallyOf(tenant: string): Tally {
    let tally = this.#tallies.get(tenant);
    if (tally === undefined) {
      tally = { complete: 0, broken: 0, running: 0 };
      this.#tallies.set(tenant, tally);
    }
    return tally;
  }

  async #save(now: EpochMs): Promise<void> {
    const tallies = [...this.#tallies].toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.#tallies.clear();
    if (tallies.length === 0) return;
    await this.#session.query(SAVE_CENSUS, [
      textArray(tallies.map(([tenant]) => tenant)),
      int8Array(tallies.map(([, { complete }]) => complete)),
      int8Array(tallies.map(([, { broken }]) => broken)),
      int8Array(tallies.map(([, { running }]) => running)),
      new Date(now),
    ]);
  }
}
