/**
 * Lines of a CSV file (RFC 4180) as what they tell of entries; pure. A line is an entry: a line break inside of quotes is
 * not taken, so that a quote that nobody closed spoils its own line and no other. A text that is quoted over several lines
 * spoils all of them: no part of it is taken for an entry.
 */
import { isUtf8 } from 'node:buffer';
import { parse } from 'csv-parse/sync';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { type FieldProblem, type Problem, problem } from '#kernel/problem.ts';
import { isStorableText } from '#kernel/text.ts';
import type { CashEntryTerms } from './cash-orders.ts';
import type { LineError } from './import.ts';
import type { CashflowProblemCode } from './problems.ts';
import { findQuotedTexts } from './quoted-texts.ts';

const REQUIRED = ['direction', 'amount', 'occurred_on', 'description'] as const;
const KNOWN: ReadonlySet<string> = new Set([...REQUIRED, 'account_id', 'category']);

export type FaultFinder = (value: unknown, root: string) => readonly FieldProblem[];

/** The names of the columns, in their order. */
export function parseHeader(
  line: Buffer,
  accountId: string | undefined,
): Decision<readonly string[], Problem<CashflowProblemCode>> {
  const fields = isUtf8(line) ? fieldsOf(textOf(line).replace(/^\uFEFF/, '')) : undefined;
  if (fields === undefined) return refused(malformedFile('The first line is not CSV in UTF-8.'));
  const names = fields.map((name) => name.trim());
  const unknown = names.find((name) => !KNOWN.has(name));
  if (unknown !== undefined)
    return refused(
      malformedFile(
        `The first line names ${JSON.stringify(unknown)}; known are ${[...KNOWN].join(', ')}, separated by commas.`,
      ),
    );
  if (new Set(names).size < names.length)
    return refused(malformedFile('The first line names a column twice.'));
  const missing = REQUIRED.find((name) => !names.includes(name));
  if (missing !== undefined) return refused(malformedFile(`The file has no column ${missing}.`));
  if (names.includes('account_id') === (accountId !== undefined))
    return refused(
      malformedFile('The account is named by a column account_id, or by the query; by one of the two.'),
    );
  return accepted(names);
}

export function malformedFile(detail: string): Problem<CashflowProblemCode> {
  return problem('cashflow.malformed_csv', detail);
}

export interface ReadLine {
  readonly line: number;
  readonly terms: CashEntryTerms;
}

export interface ReadLines {
  readonly entries: readonly ReadLine[];
  readonly errors: readonly LineError[];
}

export interface ChunkOfLines {
  readonly firstLine: number;
  readonly content: Buffer;
}

/** Of the file. */
export function lastLineOf({ firstLine, content }: ChunkOfLines): number {
  return firstLine + contentLines(content, firstLine).length - 1;
}

/** Blank lines are nothing. `accountId` is that of lines that have no column of it. */
export function readLines(
  chunk: ChunkOfLines,
  { columns, accountId }: { readonly columns: readonly string[]; readonly accountId: string | null },
  findFaults: FaultFinder,
): ReadLines {
  const entries: ReadLine[] = [];
  const errors: LineError[] = [];
  for (const { line, fields } of splitLines(chunk)) {
    if (fields?.length !== columns.length || !fields.every(isStorableText)) {
      errors.push(malformedLine(line, fields, columns.length));
      continue;
    }
    const named = namedValues(fields, columns, accountId);
    const faults = findFaults(named, '');
    if (faults.length === 0)
      entries.push({ line, terms: named as Partial<CashEntryTerms> as CashEntryTerms });
    else errors.push({ line, code: 'request.invalid', detail: sentenceOf(faults), errors: faults });
  }
  return { entries, errors };
}

interface SplitLine {
  readonly line: number;
  /** Undefined if it is not CSV in UTF-8, or not by itself. */
  readonly fields: readonly string[] | undefined;
}

/** All at once, which is some ten times faster, if that gives a record for each line; otherwise one by one. */
function splitLines({ firstLine, content }: ChunkOfLines): SplitLine[] {
  const all = contentLines(content, firstLine);
  const parts = partsOfTexts(all.map(({ bytes }) => bytes));
  const lines = all.filter(({ bytes }) => bytes.some((byte) => !isBlank(byte)));
  const together =
    parts.size === 0 && isUtf8(content)
      ? recordsOf(lines.map(({ bytes }) => textOf(bytes)).join('\n'))
      : undefined;
  if (together?.length === lines.length)
    return lines.map(({ line }, index) => ({ line, fields: together[index] }));
  return lines.map(({ line, bytes }) => ({
    line,
    fields: isUtf8(bytes) && !parts.has(line - firstLine) ? fieldsOf(textOf(bytes)) : undefined,
  }));
}

/** Indices of the lines that a quoted text goes on over. */
function partsOfTexts(lines: readonly Buffer[]): ReadonlySet<number> {
  const parts = new Set<number>();
  for (const { from, to } of findQuotedTexts(lines).texts)
    for (let index = from; index <= to; index++) parts.add(index);
  return parts;
}

const NEWLINE = 0x0a;

/** Without their ends. */
export function contentLines(content: Buffer, firstLine: number): { line: number; bytes: Buffer }[] {
  const lines = [];
  for (let from = 0, line = firstLine; from < content.length; line++) {
    const found = content.indexOf(NEWLINE, from);
    const end = found < 0 ? content.length : found;
    lines.push({ line, bytes: content.subarray(from, end) });
    from = end + 1;
  }
  return lines;
}

/** Space, tab, carriage return. */
function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}

function textOf(line: Buffer): string {
  const text = line.toString('utf8');
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

function fieldsOf(line: string): readonly string[] | undefined {
  const records = recordsOf(line);
  return records?.length === 1 ? records[0] : undefined;
}

function recordsOf(text: string): readonly (readonly string[])[] | undefined {
  try {
    return parse(text, { record_delimiter: '\n', relax_column_count: true });
  } catch {
    return undefined; // a quote where none may be
  }
}

function namedValues(
  fields: readonly string[],
  columns: readonly string[],
  accountId: string | null,
): Record<string, string | number> {
  const named: Record<string, string | number> = accountId === null ? {} : { account_id: accountId };
  columns.forEach((name, index) => {
    const text = fields[index] ?? '';
    if (text === '') return;
    named[name] = name === 'amount' && /^\d{1,16}$/.test(text) ? Number(text) : text;
  });
  return named;
}

function malformedLine(line: number, fields: readonly string[] | undefined, columns: number): LineError {
  const detail =
    fields === undefined
      ? 'The line is not CSV in UTF-8: it is in another encoding; a quote stands where none may, or is not closed on its line; or it is part of a text that is quoted over several lines.'
      : fields.length === columns
        ? 'A value of the line cannot be stored.'
        : `The line has ${fields.length} values; the first line names ${columns}.`;
  return { line, code: 'cashflow.malformed_line', detail, errors: null };
}

function sentenceOf(faults: readonly FieldProblem[]): string {
  return faults.map(({ pointer, detail }) => `${pointer}: ${detail}`).join('; ');
}
