/** Postings with the day that each counts for, for who proves what was made of them; see `audit.ts`. */
import { calendarDateIn } from '#kernel/calendar-date.ts';
import type { EpochMs } from '#kernel/clock.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

export interface DatedPosting {
  readonly accountKey: bigint;
  readonly sequence: bigint;
  readonly entryUuid: string;
  /** Credits positive, debits negative. */
  readonly amountMinor: bigint;
  readonly postedAfterMinor: bigint;
  /** The one that its entry names, or else the one of its account's time zone. */
  readonly day: string;
}

/** Where a walk stands: the last posting seen, in the order of the primary key. */
export interface DatedCursor {
  readonly accountKey: bigint;
  /** As PostgreSQL prints it: to the microsecond, so that no walk can stand still. */
  readonly postedAt: string;
  readonly sequence: bigint;
}

/**
 * By the postings' primary key; accounts and entries by theirs. Days are not looked up by the database: its tables of time zones
 * are of another age than those that days are counted by, and it takes some names (`CET`) for abbreviations.
 */
const LIST = `
  select p.account_key, p.posted_at::text as posted_at, p.sequence, p.entry_id, p.amount, p.posted_after,
         p.posted_at as at, a.time_zone, e.effective_on
  from (
    select * from ledger.postings p
    where (p.account_key, p.posted_at, p.sequence) > ($1, $2::timestamptz, $3) and p.account_key <= $4
    order by p.account_key, p.posted_at, p.sequence limit $5
  ) p
  left join ledger.accounts a on a.key = p.account_key
  left join ledger.entries e on e.id = p.entry_id
  order by p.account_key, p.posted_at, p.sequence`;

/** After every posting of an account: the accounts behind it are next. */
export function datedAfter(accountKey: bigint): DatedCursor {
  return { accountKey, postedAt: 'infinity', sequence: 0n };
}

export interface DatedPage {
  readonly lastKey: bigint;
  readonly limit: number;
}

/** The next ones of accounts up to and including `lastKey`; `next` is undefined when there are no more. */
export async function listDatedPostings(
  reader: Reader,
  { accountKey, postedAt, sequence }: DatedCursor,
  { lastKey, limit }: DatedPage,
): Promise<{ readonly postings: readonly DatedPosting[]; readonly next: DatedCursor | undefined }> {
  const rows = await reader.query<DatedRow>(LIST, [accountKey, postedAt, sequence, lastKey, limit]);
  const last = rows.at(-1);
  return {
    postings: rows.map((row) => ({
      accountKey: row.account_key,
      sequence: row.sequence,
      entryUuid: row.entry_id,
      amountMinor: row.amount,
      postedAfterMinor: row.posted_after,
      day: row.effective_on ?? dayOf(row),
    })),
    next:
      last === undefined || rows.length < limit
        ? undefined
        : { accountKey: last.account_key, postedAt: last.posted_at, sequence: last.sequence },
  };
}

interface DatedRow {
  account_key: bigint;
  posted_at: string;
  sequence: bigint;
  entry_id: string;
  amount: bigint;
  posted_after: bigint;
  at: EpochMs;
  /** Null: of an account that is not there. */
  time_zone: string | null;
  effective_on: string | null;
}

function dayOf({ time_zone: timeZone, at }: DatedRow): string {
  if (timeZone === null) return '';
  try {
    return calendarDateIn(timeZone, at);
  } catch (error) {
    if (error instanceof RangeError) return calendarDateIn('UTC', at); // forged: no day of others goes unproved for it
    throw error;
  }
}
