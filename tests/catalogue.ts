/** Every column of every table of a database, and what an owner can do to it. */
import type pg from 'pg';

export interface Column {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  /** As PostgreSQL writes it: `timestamp with time zone`. */
  readonly type: string;
}

/** Not of the ranges that a table is divided into, nor of what PostgreSQL keeps itself. */
export async function listColumns(owner: pg.Client): Promise<Column[]> {
  const { rows } = await owner.query<Column>(
    `select n.nspname as schema, c.relname as "table", a.attname as name, format_type(a.atttypid, a.atttypmod) as type
     from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
       and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
     order by 1, 2, a.attnum`,
  );
  return rows;
}

/** An expression: of the same type, and never the same. */
export function otherValue({ name, type }: Column): string {
  const column = `"${name}"`;
  switch (type) {
    case 'text':
      return `coalesce(${column}, '') || 'x'`;
    case 'smallint':
    case 'integer':
    case 'bigint':
      return `coalesce(${column}, 0) + 1`;
    case 'boolean':
      return `not ${column}`;
    case 'uuid':
      return 'gen_random_uuid()';
    case 'bytea':
      return `sha256(coalesce(${column}, ''))`;
    case 'date':
      return `coalesce(${column}, '2026-01-01') + 1`;
    case 'timestamp with time zone':
      return `coalesce(${column}, now()) + interval '1 second'`;
    case 'text[]':
      return `array_append(${column}, 'x')`;
    default:
      throw new Error(`no other value for a ${type}`);
  }
}

/** Gives the first row that `where` is true of another value, and returns how the row is put back. */
export async function damage(
  owner: pg.Client,
  column: Column,
  { where, to }: { readonly where: string; readonly to: string | undefined },
): Promise<() => Promise<void>> {
  const table = `"${column.schema}"."${column.table}"`;
  const sound = await firstRow(owner, table, where);
  const other = to ?? otherValue(column);
  const { rows } = await owner.query<FoundRow>(
    `update ${table} t set "${column.name}" = ${other} where tableoid = $1::oid and ctid = $2::tid
     returning ${PLACE_AND_ROW}`,
    [sound.tableoid, sound.ctid],
  );
  const [damaged] = rows;
  if (damaged === undefined || damaged.row === sound.row)
    throw new Error(`${table}.${column.name} is not changed by ${other}`);
  return async () => {
    await remove(owner, table, damaged);
    await putBack(owner, table, sound);
  };
}

/** Takes the first row away that `where` is true of, and returns how it is put back. `name`: with its schema. */
export async function takeAway(owner: pg.Client, name: string, where: string): Promise<() => Promise<void>> {
  const table = quoted(name);
  const row = await firstRow(owner, table, where);
  await remove(owner, table, row);
  return () => putBack(owner, table, row);
}

/** The columns of each unique index of a table, the primary key's first; those over expressions are left out. `name`: with its schema. */
export async function listUniqueKeys(owner: pg.Client, name: string): Promise<string[][]> {
  const { rows } = await owner.query<{ columns: string[] }>(
    `select array_agg(a.attname::text order by a.attnum) as columns
     from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
     where i.indrelid = $1::regclass and i.indisunique and not 0 = any (i.indkey)
     group by i.indexrelid, i.indisprimary order by i.indisprimary desc, i.indexrelid`,
    [quoted(name)],
  );
  return rows.map(({ columns }) => columns);
}

/** Adds a copy of the first row that `where` is true of, with other values, and returns how it is taken away. */
export async function addCopy(
  owner: pg.Client,
  name: string,
  { where, to }: { readonly where: string; readonly to: Readonly<Record<string, string>> },
): Promise<() => Promise<void>> {
  const table = quoted(name);
  const source = await firstRow(owner, table, where);
  const changed = Object.entries(to).map(([column, value]) => `'${column}', ${value}`);
  const { rows } = await owner.query<FoundRow>(
    `insert into ${table} as t overriding system value
     select (jsonb_populate_record(s, jsonb_build_object(${changed.join(', ')}))).* from ${table} s
     where tableoid = $1::oid and ctid = $2::tid returning ${PLACE_AND_ROW}`,
    [source.tableoid, source.ctid],
  );
  const [added] = rows;
  if (added === undefined) throw new Error(`no copy in ${table} with ${changed.join(', ')}`);
  return () => remove(owner, table, added);
}

function quoted(name: string): string {
  return name.replace(/^(\w+)\.(\w+)$/, '"$1"."$2"');
}

const PLACE_AND_ROW = 'tableoid::text, ctid::text, row_to_json(t)::text as row';

interface FoundRow {
  readonly tableoid: string;
  readonly ctid: string;
  readonly row: string;
}

async function firstRow(owner: pg.Client, table: string, where: string): Promise<FoundRow> {
  const { rows } = await owner.query<FoundRow>(
    `select ${PLACE_AND_ROW} from ${table} t where ${where} order by tableoid, ctid limit 1`,
  );
  const [found] = rows;
  if (found === undefined) throw new Error(`no row of ${table} where ${where}`);
  return found;
}

async function remove(owner: pg.Client, table: string, { tableoid, ctid }: FoundRow): Promise<void> {
  await owner.query(`delete from ${table} where tableoid = $1::oid and ctid = $2::tid`, [tableoid, ctid]);
}

async function putBack(owner: pg.Client, table: string, { row }: FoundRow): Promise<void> {
  await owner.query(
    `insert into ${table} overriding system value select * from json_populate_record(null::${table}, $1::json)`,
    [row],
  );
}
