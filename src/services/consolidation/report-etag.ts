/** Whether who asks for a report has it already (RFC 9110 §13.1.2). */
import type { RowFormat } from '#platform/http/row-format.ts';

/** Weak, as an answer also tells the lag, which is another one each time. */
export function etagOf(stamp: string, format: RowFormat): string {
  return `W/"${stamp}.${format}"`;
}

export function isHeld(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const opaque = (tag: string): string => tag.trim().replace(/^W\//, '');
  return ifNoneMatch.split(',').some((tag) => opaque(tag) === opaque(etag));
}
