/** The statements about imports. Each says what it locks and which index it relies on (how: docs/adr/0003). */
import type { EpochMs } from '#kernel/clock.ts';
import type { FieldProblem } from '#kernel/problem.ts';
import { int4Array, textArray, uuidArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { statement, type Transaction } from '#platform/postgres/session.ts';
import type { OnError } from './cash-orders.ts';
import type { Import, ImportState, LineError } from './import.ts';

/** Of a row called `i`. */
export const IMPORT_COLUMNS = `i.tenant, i.id, i.file, i.digest, i.bytes, i.lines, i.account_id, i.columns, i.on_error, i.state, i.upload,
  i.position, i.read, i.recorded, i.already_recorded, i.failed, i.errors_listed, i.request_id, i.correlation_id,
  i.created_at, i.finished_at`;

/**
 * The imports of files, as they are (a file's uuid is derived from its tenant): two that send the same file wait for each other here, and for whoever works on it. In
 * the order of the arrays, which is that of the file. By the unique index on the file.
 */
export const LOCK_IMPORTS_OF_FILES = statement(
  'cashflow.lock_imports_of_files',
  `select ${IMPORT_COLUMNS}
   from ${batchRows('wanted', { file: 'uuid' })}
   cross join lateral (select * from cashflow.imports i where i.file = wanted.file for no key update) i`,
);

/** Another process that takes in the same file meanwhile raises a unique violation; the batch is then decided anew. */
export const INSERT_IMPORT = statement(
  'cashflow.insert_import',
  `insert into cashflow.imports (tenant, id, file, digest, bytes, lines, account_id, columns, on_error, state, upload, position, read,
     recorded, already_recorded, failed, errors_listed, request_id, correlation_id, created_at)
   values ($1::text, $2::uuid, $3::uuid, $4::text, $5::bigint, $6::integer, $7::text, $8::text[], $9::text, $10::text, $11::uuid, 0, 0,
     0, 0, 0, 0, $12::text, $13::text, $14::timestamptz)`,
);

/** Locked before in this transaction. By primary key; touches no indexed column (HOT). */
export const UPDATE_IMPORT = statement(
  'cashflow.update_import',
  `update cashflow.imports i
   set on_error = $3::text, state = $4::text, upload = $5::uuid, position = $6::integer, read = $7::integer, recorded = $8::integer,
     already_recorded = $9::integer, failed = $10::integer, errors_listed = $11::integer, request_id = $12::text,
     correlation_id = $13::text, finished_at = $14::timestamptz
   where i.tenant = $1::text and i.id = $2::uuid`,
);

/** Its chunks are an import's from now on; raises if it was cleared away. By primary key. */
export const TAKE_UPLOAD = statement(
  'cashflow.take_upload',
  `with taken as (delete from cashflow.uploads u where u.id = $1::uuid returning 1)
   select cashflow.require_upload(count(*)) from taken`,
);

/** What no import has taken, and its chunks with it. By primary keys. */
export const DISCARD_UPLOAD = statement(
  'cashflow.discard_upload',
  `with discarded as (delete from cashflow.uploads u where u.id = $1::uuid returning u.id), gone as (
     delete from cashflow.import_chunks c
     using discarded d
     cross join lateral (
       select t.ctid from cashflow.import_chunks t where t.upload = d.id offset 0
     ) as found(at)
     where c.ctid = found.at
   )
   select id from discarded`,
);

export const OPEN_IMPORT = statement(
  'cashflow.open_import',
  'insert into cashflow.open_imports (tenant, id, turn_at) values ($1::text, $2::uuid, $3::timestamptz)',
);

/** By primary key. */
export const CLOSE_IMPORT = statement(
  'cashflow.close_import',
  'delete from cashflow.open_imports o where o.tenant = $1::text and o.id = $2::uuid',
);

/** By primary key. */
export const FORGET_ERRORS = statement(
  'cashflow.forget_errors',
  'delete from cashflow.import_errors e where e.tenant = $1::text and e.import_id = $2::uuid',
);

/**
 * The import whose turn it is, of a tenant that is none of these, locked; one that somebody else works on is passed over, so nobody
 * waits. By the index on turns, in its order.
 */
export const TAKE_TURN = statement(
  'cashflow.take_turn',
  `select o.tenant, o.id from cashflow.open_imports o
   where o.turn_at <= $1::timestamptz and o.tenant <> all ($2::text[])
   order by o.turn_at limit 1 for no key update skip locked`,
);

/** Behind the lock of its turn, and locked itself: who sends the same file again waits for this chunk. By primary key. */
export const LOCK_IMPORT = statement(
  'cashflow.lock_import',
  `select ${IMPORT_COLUMNS} from cashflow.imports i
   where i.tenant = $1::text and i.id = $2::uuid for no key update`,
);

/** By primary key, in its order. */
export const NEXT_CHUNK = statement(
  'cashflow.next_chunk',
  `select c.first_line, c.content from cashflow.import_chunks c
   where c.upload = $1::uuid and c.first_line > $2::integer order by c.first_line limit 1`,
);

/** By primary key. */
export const END_TURN = statement(
  'cashflow.end_turn',
  'update cashflow.open_imports o set turn_at = $3::timestamptz where o.tenant = $1::text and o.id = $2::uuid',
);

/** All of an upload that is done with. By primary key. */
export const DELETE_CHUNKS = statement(
  'cashflow.delete_chunks',
  'delete from cashflow.import_chunks c where c.upload = $1::uuid',
);

export const INSERT_ERRORS = statement(
  'cashflow.insert_errors',
  `insert into cashflow.import_errors (tenant, import_id, line, code, detail, errors)
   select $5::text, $6::uuid, line, code, detail, errors
   from ${batchRows('v', { line: 'integer', code: 'text', detail: 'text', errors: 'text' })}`,
);

export const BEGIN_UPLOAD = statement(
  'cashflow.begin_upload',
  'insert into cashflow.uploads (id, began_at) values ($1::uuid, $2::timestamptz)',
);

/** Nothing if the upload was cleared away meanwhile; the rest of it then fails. By primary key. */
export const INSERT_CHUNKS = statement(
  'cashflow.insert_chunks',
  `insert into cashflow.import_chunks (upload, first_line, content)
   select u.id, v.first_line, v.content
   from (select id from cashflow.uploads u where u.id = $3::uuid for key share) u
   cross join ${batchRows('v', { first_line: 'integer', content: 'bytea' })}
   returning first_line`,
);

/** Uploads are as many as are under way, or were broken off lately: a scan is right. */
export const FIND_STALE_UPLOADS = statement(
  'cashflow.find_stale_uploads',
  'select u.id from cashflow.uploads u where u.began_at < $1::timestamptz limit 10',
);

export interface ImportRow {
  tenant: string;
  id: string;
  file: string;
  digest: string;
  bytes: bigint;
  lines: number;
  account_id: string | null;
  columns: string[];
  on_error: OnError;
  state: ImportState;
  upload: string;
  position: number;
  read: number;
  recorded: number;
  already_recorded: number;
  failed: number;
  errors_listed: number;
  request_id: string;
  correlation_id: string;
  created_at: EpochMs;
  finished_at: EpochMs | null;
}

export function importOf(row: ImportRow): Import {
  return {
    tenant: row.tenant,
    uuid: row.id,
    file: row.file,
    digest: row.digest,
    bytes: Number(row.bytes),
    lines: row.lines,
    accountId: row.account_id,
    columns: row.columns,
    onError: row.on_error,
    state: row.state,
    upload: row.upload,
    position: row.position,
    read: row.read,
    recorded: row.recorded,
    alreadyRecorded: row.already_recorded,
    failed: row.failed,
    errorsListed: row.errors_listed,
    requestId: row.request_id,
    correlationId: row.correlation_id,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
  };
}

/** By file. */
export async function lockImportsOf(tx: Transaction, files: readonly string[]): Promise<Map<string, Import>> {
  if (files.length === 0) return new Map();
  const rows = await tx.query<ImportRow>(LOCK_IMPORTS_OF_FILES, [uuidArray([...new Set(files)].toSorted())]);
  return new Map(rows.map((row) => [row.file, importOf(row)]));
}

/** A new import, or one that goes on with a file that was sent again. Its upload is its own from now on. */
export function saveBegun(
  tx: Transaction,
  { begun, isNew }: { readonly begun: Import; readonly isNew: boolean },
  now: EpochMs,
): void {
  const { tenant, uuid, upload } = begun;
  if (isNew) insertImport(tx, begun);
  else {
    updateImport(tx, begun);
    tx.run(FORGET_ERRORS, [tenant, uuid]);
  }
  tx.run(TAKE_UPLOAD, [upload]);
  tx.run(OPEN_IMPORT, [tenant, uuid, new Date(now)]);
}

function insertImport(tx: Transaction, made: Import): void {
  tx.run(INSERT_IMPORT, [
    made.tenant,
    made.uuid,
    made.file,
    made.digest,
    made.bytes,
    made.lines,
    made.accountId,
    textArray(made.columns),
    made.onError,
    made.state,
    made.upload,
    made.requestId,
    made.correlationId,
    new Date(made.createdAt),
  ]);
}

export function updateImport(tx: Transaction, changed: Import): void {
  tx.run(UPDATE_IMPORT, [
    changed.tenant,
    changed.uuid,
    changed.onError,
    changed.state,
    changed.upload,
    changed.position,
    changed.read,
    changed.recorded,
    changed.alreadyRecorded,
    changed.failed,
    changed.errorsListed,
    changed.requestId,
    changed.correlationId,
    changed.finishedAt === null ? null : new Date(changed.finishedAt),
  ]);
}

export function insertErrors(tx: Transaction, { tenant, uuid }: Import, errors: readonly LineError[]): void {
  if (errors.length === 0) return;
  tx.run(INSERT_ERRORS, [
    int4Array(errors.map(({ line }) => line)),
    textArray(errors.map(({ code }) => code)),
    textArray(errors.map(({ detail }) => detail)),
    textArray(errors.map((error) => fieldsOf(error))),
    tenant,
    uuid,
  ]);
}

function fieldsOf({ errors }: LineError): string | null {
  return errors === null ? null : JSON.stringify(errors);
}

export interface ErrorRow {
  line: number;
  code: string;
  detail: string;
  errors: string | null;
}

export function lineErrorOf({ errors, ...row }: ErrorRow): LineError {
  return { ...row, errors: errors === null ? null : (JSON.parse(errors) as FieldProblem[]) };
}
