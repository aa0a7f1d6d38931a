/**
 * A batch's columns, one array parameter each, as the rows of a table expression:
 * `(select unnest($1::uuid[]) as id, unnest($2::text[]) as state) as batch`. In a target list the arrays are walked side
 * by side; `from unnest(a, b)` puts every row together in a store first (docs/adr/0003: a ninth of an insert's time).
 *
 * `columns` are name → type of an element, in the order of the parameters, which begin with `$<first>`. Rows come in the
 * arrays' order.
 */
export function batchRows(name: string, columns: Readonly<Record<string, string>>, first = 1): string {
  const unnested = Object.entries(columns).map(
    ([column, type], index) => `unnest($${first + index}::${type}[]) as ${column}`,
  );
  return `(select ${unnested.join(', ')}) as ${name}`;
}
