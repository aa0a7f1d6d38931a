/**
 * Lists by conditions that no index knows: of at most so many rows that an index gives, those that match, and the last one
 * whatever it is. So a page costs the same however few match, and the place where it stopped is known. No locks.
 */
import type { Reader } from './read-pool.ts';

/** So many rows are looked through for a page of those that match: some 0.1 s. What is left is the next page's. */
export const LOOKED_THROUGH_MAX = 100_000;

/** Each is SQL of our own; what is asked for is in `values`. */
export interface Search {
  /** Of the rows that are given; they may name what is `joined`. */
  readonly columns: string;
  /** The table, or what joins it to the one that is walked. */
  readonly from: string;
  /** The table's name in all of this. */
  readonly alias: string;
  /** What the index finds. */
  readonly keys: readonly string[];
  /** What each of those is compared with. */
  readonly matches: readonly string[];
  /** Columns by which the index gives them, backwards. */
  readonly walked: readonly string[];
  /** To those that match. */
  readonly joined?: string;
  readonly values: readonly unknown[];
}

export interface Looked<Row> {
  readonly found: readonly Row[];
  /** The row behind which the list goes on; undefined at its end. */
  readonly last: Row | undefined;
}

/** At most `limit` that match; fewer if few do, and then there may be more all the same. */
export async function lookThrough<Row>(
  reader: Reader,
  search: Search,
  { limit, lookedThroughMax }: { readonly limit: number; readonly lookedThroughMax: number },
): Promise<Looked<Row>> {
  const rows = await reader.query<Row & LookedAt>(textOf(search), [
    ...search.values,
    lookedThroughMax,
    limit + 1,
  ]);
  const matching = rows.filter(({ matches }) => matches);
  const last = matching.length > limit ? matching[limit - 1] : rows.findLast(({ is_last }) => is_last);
  return { found: matching.slice(0, limit), last };
}

interface LookedAt {
  readonly matches: boolean;
  readonly is_last: boolean;
}

function textOf({ columns, from, alias, keys, matches, walked, joined = '', values }: Search): string {
  const looked = `$${values.length + 1}::bigint`;
  const places = walked.map((column, n) => `${column} as place_${n}`).join(', ');
  const backwards = walked.map((_, n) => `${alias}.place_${n} desc`).join(', ');
  return `
    select ${columns}, ${alias}.matches, ${alias}.number = ${looked} as is_last
    from (
      select ${alias}.*, row_number() over () as number, ${['true', ...matches].join(' and ')} as matches
      from (
        select ${alias}.*, ${places} from ${from} where ${keys.join(' and ')}
        order by ${walked.map((column) => `${column} desc`).join(', ')} limit ${looked}
      ) ${alias}
      order by ${backwards} -- as it stands already; said, so that the page ends the scan instead of being sorted out of it
    ) ${alias} ${joined}
    where ${alias}.matches or ${alias}.number = ${looked}
    order by ${backwards}
    limit $${values.length + 2}`;
}

/** Says conditions whose `?` are values that are put into `values`; one whose value is undefined is none. */
export function conditionsOver(values: unknown[]): (condition: string, ...given: unknown[]) => string[] {
  return (condition, ...given) => {
    if (given.includes(undefined)) return [];
    let number = values.length;
    values.push(...given);
    return [condition.replaceAll('?', () => `$${++number}`)];
  };
}
