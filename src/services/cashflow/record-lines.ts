/** The lines of a chunk decided one by one, like requests; pure. */
import type { EpochMs } from '#kernel/clock.ts';
import { derivedUuid } from '#kernel/derived-uuid.ts';
import type { Problem } from '#kernel/problem.ts';
import type { Import, LineError } from './import.ts';
import type { ReadLine, ReadLines } from './import-lines.ts';
import { type CashBooks, type Recorded, recordCashEntry } from './record-cash-entry.ts';

/** The uuid of a line's entry: whoever reads the file again finds it. */
export function entryOfLine({ file }: Pick<Import, 'file'>, line: number): string {
  return derivedUuid('cash import line', file, String(line));
}

export interface RecordedLines {
  readonly recorded: readonly Recorded[];
  readonly alreadyRecorded: number;
  readonly errors: readonly LineError[];
}

/** `known`: uuids of entries that an earlier run recorded. */
export function recordLines(
  on: CashBooks & { readonly known: ReadonlySet<string> },
  of: Import,
  { entries, errors }: ReadLines,
  now: EpochMs,
): RecordedLines {
  const recorded: Recorded[] = [];
  const refused: LineError[] = [...errors];
  let alreadyRecorded = 0;
  for (const { line, terms } of entries) {
    const uuid = entryOfLine(of, line);
    if (on.known.has(uuid)) {
      alreadyRecorded++;
      continue;
    }
    const source = { importUuid: of.uuid, line };
    const decided = recordCashEntry(on, { tenant: of.tenant, uuid, terms, source }, now);
    if (decided.ok) recorded.push(decided.value);
    else refused.push(errorOf({ line, terms }, decided.problem));
  }
  return { recorded, alreadyRecorded, errors: refused.toSorted((a, b) => a.line - b.line) };
}

function errorOf({ line }: ReadLine, { code, detail, errors = [] }: Problem): LineError {
  return { line, code, detail, errors };
}
