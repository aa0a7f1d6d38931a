/** A page of an account's postings, newest first: what a query asks for, and what it gets. */
import type { EpochMs } from '#kernel/clock.ts';
import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { idOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import { malformedCursor, type Page, parseCursor, renderPage, rowsFor } from '#platform/http/cursor.ts';
import { parseInstant, WRITABLE_INSTANTS } from '#platform/http/instants.ts';
import { DEFAULT_PAGE_LIMIT } from '#platform/http/schemas.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { PostingPlace, PostingRange, PostingReading } from './reads.ts';
import { renderPosting } from './render-events.ts';
import type { PostingListQuery } from './schemas.ts';

export function parsePostingRange(
  query: PostingListQuery,
): Decision<PostingRange, Problem<'request.invalid_parameter'>> {
  const cursor = parseCursor(query.cursor, 2);
  if (!cursor.ok) return cursor;
  const before = placeOf(cursor.value);
  if (before === 'malformed') return refused(malformedCursor());
  return accepted({
    from: query.from === undefined ? WRITABLE_INSTANTS.first : parseInstant(query.from),
    to: query.to === undefined ? WRITABLE_INSTANTS.last : parseInstant(query.to),
    before,
    limit: rowsFor(query.limit),
  });
}

export function renderPostingsPage(
  accountId: string,
  postings: readonly PostingReading[],
  limit: number = DEFAULT_PAGE_LIMIT,
): Page<JsonObject> {
  const { data, next_cursor } = renderPage(postings, limit, ({ postedAt, sequence }) => [
    String(postedAt),
    String(sequence),
  ]);
  return { data: data.map((posting) => renderPostingOf(accountId, posting)), next_cursor };
}

function renderPostingOf(accountId: string, { entryUuid, currency, ...posting }: PostingReading): JsonObject {
  return {
    entry_id: idOf('jen', entryUuid),
    ...renderPosting({ ...posting, account: { id: accountId, currency } }),
  };
}

/** A cursor's texts are input: milliseconds and a sequence, both in canonical decimals. */
function placeOf(key: readonly string[] | undefined): PostingPlace | 'malformed' | undefined {
  if (key === undefined) return undefined;
  const [instant = '', sequence = ''] = key;
  if (!/^\d{1,15}$/.test(instant) || !/^[1-9]\d{0,15}$/.test(sequence)) return 'malformed';
  const postedAt: EpochMs = Number(instant);
  return postedAt > WRITABLE_INSTANTS.last ? 'malformed' : { postedAt, sequence: BigInt(sequence) };
}
