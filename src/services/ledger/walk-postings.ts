/** The postings one behind the other, each compared with the one before it, for who proves the books (audit.ts). */
import type { Reader } from '#platform/postgres/read-pool.ts';

/** Where a walk over the postings stands: the last one seen, in the order of the primary key. */
export interface PostingCursor {
  readonly accountKey: bigint;
  /** As PostgreSQL prints it: to the microsecond, so that no walk can stand still. */
  readonly postedAt: string;
  readonly sequence: bigint;
  readonly postedAfterMinor: bigint;
}

export interface PostingBreach {
  /** `tenant/id`, or the key of an account that is not there. */
  readonly account: string;
  readonly sequence: bigint;
  readonly entryUuid: string;
  readonly kind: 'sequence_gap' | 'wrong_running_sum' | 'posting_without_balance';
  readonly detail: string;
}

export interface PostingsWalked {
  readonly count: number;
  /** Undefined when there are no more. */
  readonly next: PostingCursor | undefined;
  /** At most 100. */
  readonly breaches: readonly PostingBreach[];
  readonly breachesTotal: number;
}

/**
 * The next postings of accounts up to `$5`, in the order of the primary key, each compared with the one before it in its
 * account: sequence one higher, posted_after its amount more. As the order is by posted_at first, a posting that goes
 * back in time breaks the sequence. The cursor stands in for the posting before the first.
 */
const WALK_POSTINGS = `
  with page as materialized (
    select account_key, posted_at, sequence, amount, posted_after, entry_id
    from ledger.postings
    where (account_key, posted_at, sequence) > ($1::bigint, $2::timestamptz, $3::bigint) and account_key <= $5::bigint
    order by account_key, posted_at, sequence
    limit $6
  ), followed as (
    select *, lag(sequence) over account as before_sequence, lag(posted_after) over account as before_after
    from (
      select * from page
      union all select $1::bigint, $2::timestamptz, $3::bigint, null, $4::bigint, null
    ) as all_rows
    window account as (partition by account_key order by posted_at, sequence)
  ), breach as (
    select f.account_key, f.sequence, f.entry_id,
           case when f.sequence <> coalesce(f.before_sequence, 0) + 1 then 'sequence_gap'
                when f.posted_after <> coalesce(f.before_after, 0) + f.amount then 'wrong_running_sum'
                else 'posting_without_balance' end as kind,
           case when f.sequence <> coalesce(f.before_sequence, 0) + 1
                then format('sequence %s follows %s', f.sequence, coalesce(f.before_sequence, 0))
                when f.posted_after <> coalesce(f.before_after, 0) + f.amount
                then format('posted_after is %s, after %s and an amount of %s', f.posted_after,
                            coalesce(f.before_after, 0), f.amount)
                else format('no balance has key %s', f.account_key) end as detail
    from followed f
    where f.amount is not null
      and (f.sequence <> coalesce(f.before_sequence, 0) + 1
           or f.posted_after <> coalesce(f.before_after, 0) + f.amount
           or (f.before_sequence is null
               and not exists (select from ledger.balances b where b.account_key = f.account_key)))
  )
  select (select count(*) from page)::integer as count,
         last.account_key, last.posted_at::text as posted_at, last.sequence, last.posted_after,
         (select count(*) from breach)::integer as breaches_total,
         (select jsonb_agg(jsonb_build_object('account', coalesce(a.tenant || '/' || a.id, l.account_key::text),
                                              'sequence', l.sequence::text, 'entry_id', l.entry_id, 'kind', l.kind,
                                              'detail', l.detail))
          from (select * from breach limit 100) as l left join ledger.accounts a on a.key = l.account_key) as breaches
  from (select true) as one
  left join lateral (
    select * from page order by account_key desc, posted_at desc, sequence desc limit 1
  ) last on true`;

interface WalkedRow {
  count: number;
  account_key: bigint | null;
  posted_at: string;
  sequence: bigint;
  posted_after: bigint;
  breaches_total: number;
  breaches:
    | readonly {
        account: string;
        sequence: string;
        entry_id: string;
        kind: PostingBreach['kind'];
        detail: string;
      }[]
    | null;
}

/** Where the walk over the accounts after `accountKey` begins. */
export function postingsAfter(accountKey: bigint): PostingCursor {
  return { accountKey, postedAt: 'infinity', sequence: 0n, postedAfterMinor: 0n };
}

/** The next postings of accounts up to and including `lastKey`. */
export async function walkPostings(
  reader: Reader,
  cursor: PostingCursor,
  { lastKey, limit }: { readonly lastKey: bigint; readonly limit: number },
): Promise<PostingsWalked> {
  const { accountKey, postedAt, sequence, postedAfterMinor } = cursor;
  const [row] = await reader.query<WalkedRow>(WALK_POSTINGS, [
    accountKey,
    postedAt,
    sequence,
    postedAfterMinor,
    lastKey,
    limit,
  ]);
  if (row === undefined || row.account_key === null) {
    return { count: 0, next: undefined, breaches: [], breachesTotal: 0 };
  }
  return {
    count: row.count,
    next: {
      accountKey: row.account_key,
      postedAt: row.posted_at,
      sequence: row.sequence,
      postedAfterMinor: row.posted_after,
    },
    breaches: (row.breaches ?? []).map((breach) => ({
      account: breach.account,
      sequence: BigInt(breach.sequence),
      entryUuid: breach.entry_id,
      kind: breach.kind,
      detail: breach.detail,
    })),
    breachesTotal: row.breaches_total,
  };
}
