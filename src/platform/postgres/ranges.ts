/**
 * Rows by ranges of one indexed column, as SQL: of one range, or of many in one statement, each a stretch of the index.
 */
import { textArray, uuidArray } from './arrays.ts';

export interface RangedRows {
  /** `select … from …`, without a condition. */
  readonly select: string;
  /** The column, which an index leads with. */
  readonly by: string;
  readonly kind: 'text' | 'uuid';
  /** What else the rows are bounded by; parameters of its own begin with `$3`. */
  readonly only?: string;
}

/** After the first, up to and including the second; null is no bound. */
export interface Range {
  readonly after: string | null;
  readonly upTo: string | null;
}

/** The rows of one range whose bounds are given as SQL: constants and parameters, which the planner sees through. */
export function rowsBetween({ select, by, kind, only }: RangedRows, after: string, upTo: string): string {
  const conditions = [
    `(${after}::${kind} is null or ${by} > ${after}::${kind})`,
    `(${upTo}::${kind} is null or ${by} <= ${upTo}::${kind})`,
  ];
  return `${select} where ${[...conditions, ...(only === undefined ? [] : [only])].join(' and ')}`;
}

/** The rows of all the ranges, with the parameters `$1` and `$2`. Of several text ranges each has both bounds. */
export function rowsInRanges(
  rows: RangedRows,
  ranges: readonly Range[],
): { readonly text: string; readonly parameters: readonly unknown[] } {
  const [first, ...others] = ranges;
  if (first !== undefined && others.length === 0)
    return { text: rowsBetween(rows, '$1', '$2'), parameters: [first.after, first.upTo] };
  const arrayOf = rows.kind === 'uuid' ? uuidArray : textArray;
  return {
    text: rowsOfEach(rows),
    parameters: [arrayOf(ranges.map(({ after }) => after)), arrayOf(ranges.map(({ upTo }) => upTo))],
  };
}

/** A bound that is none must not keep the planner from the index. */
const NO_BOUNDS = {
  uuid: ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
  text: ['null', 'null'],
} as const;

function rowsOfEach({ select, by, kind, only }: RangedRows): string {
  const [least, greatest] = NO_BOUNDS[kind];
  const further = only === undefined ? '' : ` and ${only}`;
  // `offset 0` leaves the planner one way: the index, once for each range.
  return `select found.* from unnest($1::${kind}[], $2::${kind}[]) as range(after, up_to)
    cross join lateral (
      ${select}
      where ${by} >= coalesce(range.after, ${least}) and ${by} <= coalesce(range.up_to, ${greatest})
        and (range.after is null or ${by} > range.after)${further}
      offset 0
    ) as found`;
}
