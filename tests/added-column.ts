/**
 * What becomes of prepared statements when a later migration adds a column to a table that they read: a live session keeps
 * them, and the server refuses one whose rows have changed (0A000, "cached plan must not change result type").
 */
import { Client } from 'pg';
import type { Statement } from '#platform/postgres/session.ts';

/** The statements that fail once the tables have a column more, each with its failure. They are given no rows. */
export async function failuresByAddedColumn(
  url: string,
  { tables, statements }: { readonly tables: readonly string[]; readonly statements: readonly Statement[] },
): Promise<string[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const { name, text } of statements) await client.query(`prepare "${name}" as ${text}`);
    for (const { name, text } of statements) await client.query(executionOf(name, text));
    for (const table of tables) await client.query(`alter table ${table} add column added_later text`);
    const failures: string[] = [];
    for (const { name, text } of statements)
      await client
        .query(executionOf(name, text))
        .catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
    for (const table of tables) await client.query(`alter table ${table} drop column added_later`);
    return failures;
  } finally {
    await client.end();
  }
}

function executionOf(name: string, text: string): string {
  const parameters = new Set(text.match(/\$\d+/g)).size;
  const nulls = Array.from({ length: parameters }, () => 'null').join(', ');
  return parameters === 0 ? `execute "${name}"` : `execute "${name}" (${nulls})`;
}
