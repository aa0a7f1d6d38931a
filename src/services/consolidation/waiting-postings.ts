/**
 * Postings that wait although the one before them is counted: more became due at once than a batch looks at
 * (WAITING_PAGE), as behind a dead letter that was replayed after a long time. Counted here, page by page.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import { inHalves } from '#platform/batch/in-halves.ts';
import { sendDrafts } from '#platform/batch/send-drafts.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import { type Session, statement } from '#platform/postgres/session.ts';
import type { BatchTransaction } from './batch-transaction.ts';
import { decideWaiting, loadNames, save } from './consumer.ts';
import { type AccountName, nameText } from './posting.ts';
import { inOrder } from './store.ts';

/** Accounts with something waiting that a look passes: some 10 ms. The next look goes on behind them. */
const PASSED_MAX = 1_000;
/** Of those, at most so many whose postings it counts. */
const COUNTED_MAX = 100;
/**
 * Steps from one account with something waiting to the next along the primary key, however much waits for each. One row at
 * least: where it has come to, null if it has met nobody.
 */
export const FIND_DUE = statement(
  'consolidation.find_due_waiting',
  `with recursive held(account_key) as (
     (select w.account_key from consolidation.waiting w where w.account_key > $1::bigint order by w.account_key limit 1)
     union all
     select (select w.account_key from consolidation.waiting w where w.account_key > held.account_key
             order by w.account_key limit 1)
     from held where held.account_key is not null
   ), named as materialized (select account_key from held where account_key is not null limit ${PASSED_MAX})
   select passed.last, passed.count, due.account_key, due.tenant, due.id
   from (select max(account_key) as last, count(*)::integer as count from named) passed
   left join lateral (
     select named.account_key, a.tenant, a.id
     from named
     cross join lateral (
       select a.tenant, a.id from consolidation.accounts a
       where a.key = named.account_key and a.time_zone is not null offset 0
     ) a
     left join lateral (
       select s.sequence from consolidation.standings s where s.account_key = named.account_key offset 0
     ) s on true
     cross join lateral (
       select from consolidation.waiting w
       where w.account_key = named.account_key and w.sequence = coalesce(s.sequence, 0) + 1 offset 0
     ) w
     order by named.account_key limit ${COUNTED_MAX}
   ) due on true
   order by due.account_key`,
);

type DueRow = { last: bigint | null; count: number } & (
  | (AccountName & { account_key: bigint })
  | { account_key: null }
);

/** Accounts whose waiting postings can be counted, of those behind `after`; the next look begins behind `next`, or anew. */
export interface DueAccounts {
  readonly due: readonly AccountName[];
  readonly next: bigint | undefined;
}

/** Before every account's key. */
export const FIRST_KEY = 0n;

export async function findDue(tx: Pick<BatchTransaction, 'query'>, after: bigint): Promise<DueAccounts> {
  const rows = await tx.query<DueRow>(FIND_DUE, [after]);
  const due = rows.flatMap((row) => (row.account_key === null ? [] : row));
  return { due, next: placeOfNextLook(rows[0], due) };
}

export interface WaitingPostingsOptions {
  readonly session: Session;
  readonly log: EventLog;
  readonly clock: Clock;
  /** Told once of each account whose postings cannot be counted. */
  readonly onError: (error: unknown) => void;
}

/** Before another try of an account whose postings cannot be counted, which is for a person: meanwhile it costs nobody anything. */
const POSTPONED_MS = 600_000;
/** Accounts that are left alone; what is forgotten is tried, and told, again. */
const POSTPONED_MAX = 10_000;

export class WaitingPostings {
  readonly #options: WaitingPostingsOptions;
  /** The key of the account behind which the next look begins: those that wait for a person keep nobody else waiting. */
  #after = FIRST_KEY;
  /** Until when which accounts are left alone, by `nameText`. */
  readonly #postponed = new Map<string, EpochMs>();

  constructor(options: WaitingPostingsOptions) {
    this.#options = options;
  }

  /** Whether anything was counted: then there may be more. */
  async count(): Promise<boolean> {
    const { due, next } = await findDue(this.#options.session, this.#after);
    const open = due.filter((name) => !this.#isPostponed(name));
    // C3
    const counted = await inHalves(open, {
      work: (some) => this.#countTogether(some),
      onFailed: (name, error) => this.#postpone(name, error),
    });
    this.#after = next ?? FIRST_KEY;
    return counted > 0;
  }

  #isPostponed(name: AccountName): boolean {
    const until = this.#postponed.get(nameText(name));
    return until !== undefined && this.#options.clock.now() < until;
  }

  #postpone(name: AccountName, cause: unknown): void {
    const text = nameText(name);
    const isTold = this.#postponed.has(text);
    if (this.#postponed.size >= POSTPONED_MAX) this.#postponed.clear();
    this.#postponed.set(text, this.#options.clock.now() + POSTPONED_MS);
    if (isTold) return;
    this.#options.onError(
      new Fault(`what waits for account ${text} cannot be counted`, { transient: false, cause }),
    );
  }

  async #countTogether(due: readonly AccountName[]): Promise<void> {
    const { session, log, clock } = this.#options;
    const appended = await session.transaction(async (tx) => {
      const plan = decideWaiting(await loadNames(tx, inOrder(due)), clock.now());
      save(tx, plan);
      const { drafts, now } = plan;
      return sendDrafts(tx, { topic: 'consolidation', partitions: log.partitions, occurredAt: now, drafts });
    });
    if (appended !== undefined) log.publish(appended);
    for (const name of due) this.#postponed.delete(nameText(name));
  }
}

/** Undefined at the end: the next look begins anew. */
function placeOfNextLook(
  passed: DueRow | undefined,
  due: readonly { readonly account_key: bigint }[],
): bigint | undefined {
  if (due.length === COUNTED_MAX) return due.at(-1)?.account_key;
  return passed?.count === PASSED_MAX ? (passed.last ?? undefined) : undefined;
}
