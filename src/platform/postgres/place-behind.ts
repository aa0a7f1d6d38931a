/**
 * Behind which row the next page of a walk begins; undefined behind the last page. A page with room is the last one: a walk
 * that went on until there is nothing would follow what comes meanwhile, for ever where that comes faster than a page of a
 * few rows is read.
 */
export function placeBehind<Row>(rows: readonly Row[], limit: number): Row | undefined {
  return rows.length < limit ? undefined : rows.at(-1);
}
