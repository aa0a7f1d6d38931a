/**
 * Pages are followed by a key, never by an offset: the cursor holds the key of the last row that was given, encoded so
 * that nobody builds on its inside. Its first part is a version: a cursor of another version than ours is refused as
 * malformed rather than misread.
 */
import type { Decision } from '#kernel/decision.ts';
import { accepted, refused } from '#kernel/decision.ts';
import { type IdPrefix, isId, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { isStorableText } from '#kernel/text.ts';
import { DEFAULT_PAGE_LIMIT } from './schemas.ts';

const VERSION = 'v1';
/** The place in a log of many partitions has a part for each; of 256, some 5000 characters. */
export const MAX_CURSOR_LENGTH = 12_288;

export interface Page<Item> {
  readonly data: readonly Item[];
  readonly next_cursor: string | null;
}

/** The cursor for the row after which the next page starts, from the texts of its key, in the list's order. */
export function renderCursor(key: readonly string[]): string {
  return Buffer.from(JSON.stringify([VERSION, ...key])).toString('base64url');
}

/** The same of a place that may be none: the list ends there. */
export function renderNext<Place>(
  next: Place | undefined,
  keyOf: (next: Place) => readonly string[],
): string | null {
  return next === undefined ? null : renderCursor(keyOf(next));
}

/**
 * The key in a cursor, which must have `parts` texts; undefined if there is no cursor. What the texts may be is for
 * the caller to check: a cursor is input like any other.
 */
export function parseCursor(
  cursor: string | undefined,
  parts: number,
): Decision<readonly string[] | undefined, Problem<'request.invalid_parameter'>> {
  if (cursor === undefined) return accepted(undefined);
  const key = decode(cursor);
  if (key?.length !== parts + 1 || key[0] !== VERSION) return refused(malformedCursor());
  return accepted(key.slice(1));
}

/**
 * The same of a list whose keys could be those of another, as names and numbers could: its cursors begin with the list's name.
 * Ids say by their prefix what they are.
 */
export function parseCursorOf(
  list: string,
  cursor: string | undefined,
  parts: number,
): Decision<readonly string[] | undefined, Problem<'request.invalid_parameter'>> {
  const key = parseCursor(cursor, parts + 1);
  if (!key.ok || key.value === undefined) return key;
  const [named, ...rest] = key.value;
  return named === list ? accepted(rest) : refused(malformedCursor());
}

/** The uuid in a cursor of a list that is ordered by ids of this prefix; undefined if there is no cursor. */
export function parseIdCursor(
  prefix: IdPrefix,
  cursor: string | undefined,
): Decision<string | undefined, Problem<'request.invalid_parameter'>> {
  const key = parseCursor(cursor, 1);
  if (!key.ok) return key;
  const [id] = key.value ?? [];
  if (id === undefined) return accepted(undefined);
  return isId(prefix, id) ? accepted(uuidOf(id)) : refused(malformedCursor());
}

/** `parameter` is the one of the query that holds it. */
export function malformedCursor(parameter = 'cursor'): Problem<'request.invalid_parameter'> {
  const detail = 'is not a cursor that this list gave';
  return problem('request.invalid_parameter', 'The cursor is not one that this list gave.', {
    errors: [{ pointer: `/query/${parameter}`, code: 'malformed_cursor', detail }],
  });
}

/** Rows to ask the store for: one more than the page, so that it shows whether there is a next one. */
export function rowsFor(limit: number = DEFAULT_PAGE_LIMIT): number {
  return limit + 1;
}

/** A page of at most `limit` of `rows`, of which the store was asked for `rowsFor(limit)`. */
export function renderPage<Row>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (last: Row) => readonly string[],
): Page<Row> {
  const data = rows.slice(0, limit);
  return { data, next_cursor: renderNext(rows.length > limit ? data.at(-1) : undefined, cursorOf) };
}

/** A list that is followed by names or numbers: its cursors begin with its own name, and no others are taken (`parseCursorOf`). */
export class NamedList {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** The text in a cursor of the list; undefined if there is no cursor. */
  keyIn(cursor: string | undefined): Decision<string | undefined, Problem<'request.invalid_parameter'>> {
    const key = parseCursorOf(this.#name, cursor, 1);
    return key.ok ? accepted(key.value?.[0]) : key;
  }

  /** As `renderPage`. */
  page<Row>(rows: readonly Row[], limit: number, keyOf: (last: Row) => string): Page<Row> {
    return renderPage(rows, limit, (last) => [this.#name, keyOf(last)]);
  }
}

function decode(cursor: string): string[] | undefined {
  if (cursor.length > MAX_CURSOR_LENGTH || !/^[A-Za-z0-9_-]+$/.test(cursor)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(value) && value.every((part) => typeof part === 'string' && isStorableText(part))
      ? value
      : undefined;
  } catch {
    return undefined; // not JSON, so not a cursor of ours
  }
}
