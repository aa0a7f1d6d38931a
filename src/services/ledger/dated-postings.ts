/** Postings with the day that each counts for, for who proves what was made of them; see `audit.ts`. */
import { textArray } from '#platform/postgres/arrays.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { isTimeZone } from './time-zone.ts';

export interface DatedPosting {
  readonly accountKey: bigint;
  readonly sequence: bigint;
  readonly entryUuid: string;
  /** Credits positive, debits negative. */
  readonly amountMinor: bigint;
  readonly postedAfterMinor: bigint;
  /** The one that its entry names, or else the one of its account's time zone, by the database's clock tables. */
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
 * By the postings' primary key; accounts and entries by theirs. A time zone that is none ends the statement: who has forged one
 * would see to it that no day is looked at.
 */
const LIST = `
  select p.account_key, p.posted_at::text as posted_at, p.sequence, p.entry_id, p.amount, p.posted_after,
         coalesce(e.effective_on, (p.posted_at at time zone
           case when a.time_zone = any ($6::text[]) then a.time_zone else 'UTC' end)::date) as day
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
  /** Of the accounts. Postings of one whose time zone is none count for a day of UTC. */
  readonly timeZones: readonly string[];
}

/** The next ones of accounts up to and including `lastKey`; `next` is undefined when there are no more. */
export async function listDatedPostings(
  reader: Reader,
  { accountKey, postedAt, sequence }: DatedCursor,
  { lastKey, limit, timeZones }: DatedPage,
): Promise<{ readonly postings: readonly DatedPosting[]; readonly next: DatedCursor | undefined }> {
  const rows = await reader.query<DatedRow>(LIST, [
    accountKey,
    postedAt,
    sequence,
    lastKey,
    limit,
    textArray(timeZones.filter(isTimeZone)),
  ]);
  const last = rows.at(-1);
  return {
    postings: rows.map((row) => ({
      accountKey: row.account_key,
      sequence: row.sequence,
      entryUuid: row.entry_id,
      amountMinor: row.amount,
      postedAfterMinor: row.posted_after,
      day: row.day ?? '',
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
  /** Null: of an account that is not there. */
  day: string | null;
}
