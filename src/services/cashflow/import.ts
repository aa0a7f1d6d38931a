/** An import: the lines of a file recorded as cash entries, in the background. */
import { type EpochMs, toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import type { FieldProblem } from '#kernel/problem.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { ImportOrder, OnError } from './cash-orders.ts';

/** `validating`: each line is looked at before any is recorded. `refused`: one of them could not be, so none was. */
export type ImportState = 'validating' | 'recording' | 'completed' | 'refused';

/** What never changes of it. */
export interface ImportedFile {
  readonly tenant: string;
  readonly uuid: string;
  /** What its lines' entries are named by: the same bytes for the same account are the same file. */
  readonly file: string;
  readonly digest: string;
  readonly bytes: number;
  readonly lines: number;
  readonly accountId: string | null;
  readonly columns: readonly string[];
  readonly createdAt: EpochMs;
}

export interface Import extends ImportedFile {
  readonly onError: OnError;
  readonly state: ImportState;
  /** The uuid under which its chunks were sent. */
  readonly upload: string;
  /** The first line of the last chunk that was read in this state; 0 before the first. */
  readonly position: number;
  /** Entries that were read in this state. */
  readonly read: number;
  readonly recorded: number;
  /** Of those that were read, recorded by an earlier run. */
  readonly alreadyRecorded: number;
  readonly failed: number;
  readonly errorsListed: number;
  readonly requestId: string;
  readonly correlationId: string;
  readonly finishedAt: EpochMs | null;
}

export interface LineError {
  readonly line: number;
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly FieldProblem[] | null;
}

const NOTHING_READ = { position: 0, read: 0, recorded: 0, alreadyRecorded: 0, failed: 0, errorsListed: 0 };

export interface ImportRequest {
  readonly tenant: string;
  readonly upload: string;
  readonly order: ImportOrder;
  readonly requestId: string;
  readonly correlationId: string;
}

export function fileOf(tenant: string, { digest, account_id }: ImportOrder): string {
  return derivedUuid('cash import', tenant, digest, account_id ?? '');
}

/** What a file that was sent begins or goes on with: `known` is the import of the same file, if there is one. */
export function beginImport(
  known: Import | undefined,
  { tenant, upload, order, requestId, correlationId }: ImportRequest,
  now: EpochMs,
): { readonly begun: Import; readonly isNew: boolean } | undefined {
  // Under way, or nothing is left of it to be recorded.
  if (known !== undefined && (!isFinished(known) || known.failed === 0)) return undefined;
  const run = {
    ...NOTHING_READ,
    onError: order.on_error,
    state: order.on_error === 'none' ? 'validating' : 'recording',
    upload,
    requestId,
    correlationId,
    finishedAt: null,
  } as const;
  if (known !== undefined) return { begun: { ...known, ...run }, isNew: false };
  const file: ImportedFile = {
    tenant,
    uuid: upload,
    file: fileOf(tenant, order),
    digest: order.digest,
    bytes: order.bytes,
    lines: order.lines,
    accountId: order.account_id,
    columns: order.columns,
    createdAt: now,
  };
  return { begun: { ...file, ...run }, isNew: true };
}

export function isFinished({ state }: Pick<Import, 'state'>): boolean {
  return state === 'completed' || state === 'refused';
}

/** What became of the lines of one chunk. */
export interface ChunkOutcome {
  readonly firstLine: number;
  readonly read: number;
  readonly recorded: number;
  readonly alreadyRecorded: number;
  readonly errors: readonly LineError[];
}

/** How many of a run's errors are kept with their line; all are counted. */
export const ERRORS_LISTED_MAX = 10_000;

/** Behind a chunk; `errors` are those of its errors that are to be kept. */
export function afterChunk(
  present: Import,
  { firstLine, errors, ...counts }: ChunkOutcome,
): { readonly after: Import; readonly errors: readonly LineError[] } {
  const listed = errors.slice(0, ERRORS_LISTED_MAX - present.errorsListed);
  const after: Import = {
    ...present,
    position: firstLine,
    read: present.read + counts.read,
    recorded: present.recorded + counts.recorded,
    alreadyRecorded: present.alreadyRecorded + counts.alreadyRecorded,
    failed: present.failed + errors.length,
    errorsListed: present.errorsListed + listed.length,
  };
  return { after, errors: listed };
}

/** Behind the last chunk. */
export function afterLastChunk(present: Import, now: EpochMs): Import {
  if (present.state !== 'validating') return { ...present, state: 'completed', finishedAt: now };
  return present.failed > 0
    ? { ...present, state: 'refused', finishedAt: now }
    : { ...present, ...NOTHING_READ, state: 'recording' };
}

export function renderImport(present: Import): JsonObject {
  return {
    id: idOf('imp', present.uuid),
    state: present.state,
    on_error: present.onError,
    account_id: present.accountId,
    sha256: present.digest,
    bytes: present.bytes,
    lines: present.lines,
    read: present.read,
    recorded: present.recorded,
    already_recorded: present.alreadyRecorded,
    failed: present.failed,
    errors_listed: present.errorsListed,
    created_at: toRfc3339(present.createdAt),
    finished_at: toRfc3339OrNull(present.finishedAt),
  };
}

export function renderLineError({ line, code, detail, errors }: LineError): JsonObject {
  return { line, code, detail, errors: errors === null ? [] : errors.map((error) => ({ ...error })) };
}
