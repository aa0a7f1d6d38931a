import type { EpochMs } from '#kernel/clock.ts';

/** What RFC 3339 can write: years of four digits. PostgreSQL has no year 0. */
export const WRITABLE_INSTANTS: { readonly first: EpochMs; readonly last: EpochMs } = {
  first: Date.parse('0001-01-01T00:00:00.000Z'),
  last: Date.parse('9999-12-31T23:59:59.999Z'),
};

/**
 * The instant of a checked text (`isRfc3339`), in whole milliseconds as postings are, so cutting the rest off moves
 * none across it. An offset can carry it out of what can be written back; there is nothing out there.
 */
export function parseInstant(text: string): EpochMs {
  const { first, last } = WRITABLE_INSTANTS;
  return Math.min(last, Math.max(first, Date.parse(text)));
}
