import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from '#kernel/fault.ts';

/** A service's migrations: the files `NNNN-name.sql` of a folder, applied in the order of their numbers to its schema. */
export interface MigrationSource {
  /** The schema they work in, the name of the service. */
  readonly schema: string;
  readonly directory: string | URL;
}

export interface MigrationFile {
  readonly schema: string;
  /** `0001-accounts.sql`. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text with Unix line ends, hexadecimal: the same on every machine. */
  readonly checksum: string;
  /** False when the first line is `-- no-transaction`; such a file holds one statement, which can be repeated. */
  readonly transactional: boolean;
}

const FILE_NAME = /^\d{4}-[a-z0-9-]+\.sql$/;
/** Goes into statements unquoted by parameters, so nothing else is let through. */
const SCHEMA_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** All files in the order in which they are applied. Throws on a name or number that would make that order unclear. */
export function loadMigrationFiles(sources: readonly MigrationSource[]): MigrationFile[] {
  return sources.flatMap(loadSource);
}

function loadSource({ schema, directory }: MigrationSource): MigrationFile[] {
  const folder = directory instanceof URL ? fileURLToPath(directory) : directory;
  if (!SCHEMA_NAME.test(schema)) throw misconfigured(`"${schema}" is not the name of a schema`);
  if (!existsSync(folder))
    throw misconfigured(`there is no folder ${folder} for the migrations of ${schema}`);
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .toSorted();
  refuseBadNames(schema, names);
  return names.map((name) => readMigration(schema, folder, name));
}

function refuseBadNames(schema: string, names: readonly string[]): void {
  const bad = names.find((name) => !FILE_NAME.test(name));
  if (bad !== undefined) throw misconfigured(`${schema}/${bad} is not named NNNN-name.sql`);
  const twin = names.find((name, index) => names[index - 1]?.slice(0, 4) === name.slice(0, 4));
  if (twin !== undefined) throw misconfigured(`${schema}/${twin} has a number that is taken`);
}

function readMigration(schema: string, folder: string, name: string): MigrationFile {
  const sql = readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n');
  const checksum = createHash('sha256').update(sql).digest('hex');
  return {
    schema,
    name,
    sql,
    checksum,
    transactional: sql.split('\n', 1)[0]?.trim() !== '-- no-transaction',
  };
}

function misconfigured(message: string): Fault {
  return new Fault(message, { transient: false });
}
