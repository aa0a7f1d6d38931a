/**
 * How the server would run a statement, as a test may ask: which indexes it descends, and what must not be there.
 * `explain` is asked in a session with the settings of production, so what is seen is what runs.
 */
import pg from 'pg';
import { connectionOptions, type Statement } from '#platform/postgres/session.ts';

export interface QueryPlan {
  /** Of its index scans, ascending, each once; an index of a partition by its own name. */
  readonly indexes: readonly string[];
  /** What is looked at behind an index and may be thrown away: rows that its condition does not tell apart. */
  readonly filters: readonly string[];
  /** What is put in order after it was read: a page by key is in order already. */
  readonly sorts: readonly string[];
  /** What would cost more the more rows there are, or would not survive their growth. Empty for a good plan. */
  readonly faults: readonly string[];
  /** For the message of a test that fails. */
  readonly text: string;
}

/** As the owner, and told to the planner. */
export async function fillTables(url: string, sql: string): Promise<void> {
  const owner = new pg.Client({ connectionString: url });
  await owner.connect();
  try {
    await owner.query(sql);
    await owner.query('vacuum analyze');
  } finally {
    await owner.end();
  }
}

/** The statements that modules of a service export, so that a test can see that it asks about all of them. */
export function statementsOf(...modules: readonly object[]): Statement[] {
  return modules
    .flatMap((module) => Object.values(module) as unknown[])
    .filter((value): value is Statement => typeof value === 'object' && value !== null && 'text' in value);
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Filter?: string;
  readonly 'Sort Key'?: readonly string[];
  readonly 'Total Cost': number;
  readonly Disabled?: boolean;
  readonly Plans?: readonly PlanNode[];
}

/** Joins that read a side whole, and scans of whole tables. */
const WHOLESALE = new Set(['Seq Scan', 'Hash Join', 'Merge Join', 'Bitmap Heap Scan', 'Sample Scan']);

/** The plan of a hot statement, whatever its parameters: as a worker's session prepares it, once, by `force_generic_plan`. */
export function hotPlan(url: string, { text }: Statement): Promise<QueryPlan> {
  return explain({ url, kind: 'hot', sql: `explain (generic_plan, format json) ${text}`, values: [] });
}

/** The plan of a read with these values: the read pool's queries are planned anew each time. */
export function readPlan(url: string, text: string, values: readonly unknown[]): Promise<QueryPlan> {
  return explain({ url, kind: 'reads', sql: `explain (format json) ${text}`, values });
}

interface Question {
  readonly url: string;
  readonly kind: 'hot' | 'reads';
  readonly sql: string;
  readonly values: readonly unknown[];
}

async function explain({ url, kind, sql, values }: Question): Promise<QueryPlan> {
  const client = new pg.Client(connectionOptions({ url, name: 'plans' }, kind));
  await client.connect();
  try {
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(sql, [...values]);
    const root = rows[0]?.['QUERY PLAN'][0].Plan;
    if (root === undefined) throw new Error('the server explained nothing');
    return planOf(root, await leadingColumns(client));
  } finally {
    await client.end();
  }
}

/** The first column of each index, by the index's name; those of one name in several schemas are alike. */
async function leadingColumns(client: pg.Client): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ index: string; leading: string }>(
    'select indexrelid::regclass::text as index, pg_get_indexdef(indexrelid, 1, true) as leading from pg_index',
  );
  return new Map(rows.map(({ index, leading }) => [index.replace(/^.*\./, ''), leading]));
}

function planOf(root: PlanNode, leading: ReadonlyMap<string, string>): QueryPlan {
  const nodes = [...flatten(root)];
  const indexes = nodes.flatMap((node) => node['Index Name'] ?? []);
  return {
    indexes: [...new Set(indexes)].toSorted(),
    filters: nodes.filter((node) => node['Index Name'] !== undefined).flatMap((node) => node.Filter ?? []),
    sorts: nodes.flatMap((node) => node['Sort Key'] ?? []),
    faults: nodes.flatMap((node) => faultsOf(node, leading)),
    text: JSON.stringify(root, null, 1),
  };
}

function* flatten(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const child of node.Plans ?? []) yield* flatten(child);
}

function faultsOf(node: PlanNode, leading: ReadonlyMap<string, string>): string[] {
  const what = [node['Node Type'], node['Relation Name'], node['Index Name']].filter(Boolean).join(' ');
  const faults: string[] = [];
  if (WHOLESALE.has(node['Node Type']) && !isFree(node)) faults.push(what);
  if (isReadWhole(node, leading)) faults.push(`${what} from end to end`);
  if (node.Disabled === true) faults.push(`${what}, disabled and yet the only way`);
  return faults;
}

/** Without a condition on its first column an index is read whole: a sequential scan by another name. */
function isReadWhole(node: PlanNode, leading: ReadonlyMap<string, string>): boolean {
  const index = node['Index Name'];
  if (index === undefined) return false;
  const column = leading.get(index);
  return column === undefined || !new RegExp(`\\b${column}\\b`).test(node['Index Cond'] ?? '');
}

/** A table without a single page, such as the range after the present one, is read for nothing. Hot plans, which stay, are faulted for it as disabled. */
function isFree(node: PlanNode): boolean {
  return node['Node Type'] === 'Seq Scan' && node['Total Cost'] === 0;
}
