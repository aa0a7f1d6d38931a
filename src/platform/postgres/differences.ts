/**
 * Compares rows as they should be with rows as they are, in the database: what should be travels as one array per
 * column, and only what differs comes back. How a service's audit tells whether its tables agree with the logs without
 * handing the tables out.
 */
import { assertNever } from '#kernel/fault.ts';
import { int8Array, textArray, timestamptzArray, uuidArray } from './arrays.ts';
import { type Range, type RangedRows, rowsInRanges } from './ranges.ts';
import type { Reader } from './read-pool.ts';

/**
 * `instant`: epoch milliseconds. `date`: a calendar date as text, of columns alone: they are compared as texts, as what should
 * be may come from who knows where, and be no date.
 */
export type ColumnKind = 'text' | 'uuid' | 'bigint' | 'instant' | 'date';

type ColumnValue = string | bigint | number | null;

/** A row as it should be: its key and its columns. */
export type ExpectedRow = Readonly<Record<string, ColumnValue>>;

interface Compared {
  readonly key: Readonly<Record<string, ColumnKind>>;
  readonly columns: Readonly<Record<string, ColumnKind>>;
}

export interface Comparison extends Compared {
  /** SQL that selects the columns of the row that has the key of `expected`, by an index on it. */
  readonly actual: string;
}

export interface RangeComparison extends Compared {
  /** Selects key and columns. */
  readonly rows: RangedRows;
}

export interface Difference {
  readonly key: Readonly<Record<string, string>>;
  /** `missing`: expected, not there. `extra`: there, not expected. */
  readonly kind: 'missing' | 'extra' | 'different';
  /** For `different`: which columns, what they are and what they should be. */
  readonly detail: string;
}

export interface Differences {
  /** At most `LISTED_MAX`. */
  readonly listed: readonly Difference[];
  readonly total: number;
}

/** What is told of one comparison: a table that is wrong throughout is not listed row by row. */
const LISTED_MAX = 100;

/** Rows of the ranges that are missing, extra or different. `parameters`: of the rows' further condition. */
export function compareRanges(
  reader: Reader,
  comparison: RangeComparison,
  input: {
    readonly ranges: readonly Range[];
    readonly parameters?: readonly unknown[];
    readonly expected: readonly ExpectedRow[];
  },
): Promise<Differences> {
  const actual = rowsInRanges(comparison.rows, input.ranges);
  const parameters = [...actual.parameters, ...(input.parameters ?? [])];
  const onKey = Object.keys(comparison.key).map((key) => `actual.${key} = expected.${key}`);
  const joined = `${unnested(comparison, parameters.length)}
    full join (select true as present, found.* from (${actual.text}) as found) as actual on ${onKey.join(' and ')}`;
  const keyOf = (name: string) => `coalesce(actual.${name}, expected.${name})`;
  return findDifferences(reader, differenceSql(comparison, joined, keyOf), [
    ...parameters,
    ...arraysOf(comparison, input.expected),
  ]);
}

/** Expected rows that are missing or different; what else there is is not looked at. */
export async function compareLookups(
  reader: Reader,
  comparison: Comparison,
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  if (expected.length === 0) return { listed: [], total: 0 };
  // `offset 0` leaves the planner one way: a look-up per row.
  const joined = `${unnested(comparison, 0)}
    left join lateral (select true as present, found.* from (${comparison.actual}) as found offset 0) as actual on true`;
  return findDifferences(
    reader,
    differenceSql(comparison, joined, (name) => `expected.${name}`),
    arraysOf(comparison, expected),
  );
}

interface DifferenceRow {
  key: Record<string, string>;
  kind: Difference['kind'];
  detail: string;
  total: number;
}

async function findDifferences(
  reader: Reader,
  text: string,
  values: readonly unknown[],
): Promise<Differences> {
  const rows = await reader.query<DifferenceRow>(text, values);
  return { listed: rows.map(({ key, kind, detail }) => ({ key, kind, detail })), total: rows[0]?.total ?? 0 };
}

function differenceSql({ key, columns }: Compared, joined: string, keyOf: (name: string) => string): string {
  const keys = Object.keys(key);
  const names = Object.keys(columns);
  const keyMembers = keys.map((name) => `'${name}', ${keyOf(name)}::text`);
  const actual = (name: string) =>
    columns[name] === 'date' ? `to_char(actual.${name}, 'YYYY-MM-DD')` : `actual.${name}`;
  const expected = (name: string) => `expected.${name}`;
  const details = names.map(
    (name) => `case when ${actual(name)} is distinct from expected.${name} then
      format('${name} is %s, not %s', coalesce(${actual(name)}::text, 'null'), coalesce(expected.${name}::text, 'null')) end`,
  );
  const row = (valueOf: (name: string) => string) => `row(${[...names, 'present'].map(valueOf).join(', ')})`;
  return `
    select jsonb_build_object(${keyMembers.join(', ')}) as key,
           case when actual.present is null then 'missing' when expected.present is null then 'extra' else 'different' end as kind,
           case when actual.present and expected.present then concat_ws('; ', ${details.join(', ')}) else '' end as detail,
           (count(*) over ())::integer as total
    from ${joined}
    where ${row(expected)} is distinct from ${row(actual)}
    limit ${LISTED_MAX}`;
}

const SQL_TYPES: Readonly<Record<ColumnKind, string>> = {
  text: 'text',
  uuid: 'uuid',
  bigint: 'bigint',
  instant: 'timestamptz',
  date: 'text',
};

/** The expected rows as a table, from parameters that follow `before` others. */
function unnested({ key, columns }: Compared, before: number): string {
  const all = Object.entries({ ...key, ...columns });
  const arrays = all.map(([, kind], index) => `$${before + index + 1}::${SQL_TYPES[kind]}[]`);
  return `(select true as present, e.*
     from unnest(${arrays.join(', ')}) as e(${all.map(([name]) => name).join(', ')})) as expected`;
}

function arraysOf({ key, columns }: Compared, expected: readonly ExpectedRow[]): Buffer[] {
  return Object.entries({ ...key, ...columns }).map(([name, kind]) =>
    arrayOf(
      kind,
      expected.map((row) => row[name] ?? null),
    ),
  );
}

function arrayOf(kind: ColumnKind, values: readonly ColumnValue[]): Buffer {
  switch (kind) {
    case 'bigint':
      return int8Array(values as readonly (bigint | number | null)[]);
    case 'instant':
      return timestamptzArray((values as readonly (number | null)[]).map(storableInstant));
    case 'uuid':
      return uuidArray(values as readonly (string | null)[]);
    case 'text':
    case 'date':
      return textArray((values as readonly (string | null)[]).map(storable));
    default:
      return assertNever(kind);
  }
}

/** The first instant that a column can have, and the last one that a number of ours can. */
const FIRST_INSTANT = -210_866_803_200_000;
const LAST_INSTANT = 8_640_000_000_000_000;

/** An event can tell an instant that is none, or that no column has: nothing is as it should be then, and null shows that. */
function storableInstant(at: number | null): number | null {
  return at !== null && at >= FIRST_INSTANT && at <= LAST_INSTANT ? at : null;
}

/** JSON can tell a NUL, and no column has one: what replaces it differs from them as well. */
function storable(text: string | null): string | null {
  return text?.includes('\0') === true ? text.replaceAll('\0', '\ufffd') : text;
}
