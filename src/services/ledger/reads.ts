/** What callers read of the ledger: accounts now and at an instant, their postings, entries. No locks; every query by tenant. */
import type { EpochMs } from '#kernel/clock.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { idOf } from '#kernel/ids.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { AccountReading } from './account.ts';
import { type ProfileRow, profileOf } from './account-store.ts';
import type { AccountKind } from './books.ts';
import { causeIdOf, type EntryPurpose } from './entry-id.ts';
import type { EntryPosted } from './events.ts';
import type { EntryReading } from './journal-entry.ts';

/** By the unique index on (tenant, id), then by primary key. */
export const FIND_ACCOUNT = `
  select a.id, a.kind, a.currency, a.floor, a.name, a.time_zone, a.metadata, a.opened_at,
         b.status, b.posted, b.held, statement_timestamp() as as_of
  from ledger.accounts a join ledger.balances b on b.account_key = a.key
  where a.tenant = $1 and a.id = $2`;

/**
 * The balance after the last posting at or before an instant; of several at the same instant the one with the highest
 * sequence. Nothing before the first. One descent of the postings' primary key, in the month of the instant; in an
 * earlier one if the account rested.
 */
export const FIND_ACCOUNT_AT = `
  select a.id, a.kind, a.currency, a.floor, a.name, a.time_zone, a.metadata, a.opened_at,
         b.status, coalesce(p.posted_after, 0) as posted, null::bigint as held
  from ledger.accounts a
  join ledger.balances b on b.account_key = a.key
  left join lateral (
    select p.posted_after from ledger.postings p
    where p.account_key = a.key and p.posted_at <= $3
    order by p.posted_at desc, p.sequence desc
    limit 1
  ) p on true
  where a.tenant = $1 and a.id = $2`;

/** Ascending by id, from after $2: the order of the unique index on (tenant, id). */
export const LIST_ACCOUNTS = `
  select a.id, a.kind, a.currency, a.floor, a.name, a.time_zone, a.metadata, a.opened_at,
         b.status, b.posted, b.held, statement_timestamp() as as_of
  from (
    select * from ledger.accounts a where a.tenant = $1 and a.id > $2 order by a.id limit $3
  ) a
  join ledger.balances b on b.account_key = a.key
  order by a.id`;

/** By the unique index on (tenant, id). */
export const FIND_ACCOUNT_KEY =
  'select a.key, a.currency from ledger.accounts a where a.tenant = $1 and a.id = $2';

/**
 * Newest first, before the place ($3, $4) in the account's order, from $2 on. By primary key, backwards; the bare bound
 * on posted_at leaves out the months beyond it.
 */
export const LIST_POSTINGS = `
  select p.entry_id, p.sequence, p.amount, p.posted_after, p.posted_at
  from ledger.postings p
  where p.account_key = $1 and p.posted_at >= $2 and p.posted_at <= $3 and (p.posted_at, p.sequence) < ($3, $4)
  order by p.posted_at desc, p.sequence desc
  limit $5`;

/** By primary key. */
export const FIND_ENTRY = `
  select e.id, e.cause, e.purpose, e.posted_at, e.description, e.reference, e.effective_on
  from ledger.entries e
  where e.id = $2 and e.tenant = $1`;

/**
 * An entry's postings, as its event tells them: by the index on the events' subject. An index of postings by entry
 * would be two more index rows per payment, for a question that is seldom asked.
 */
export const FIND_ENTRY_EVENT = `
  select e.data from ledger.events e
  where e.subject = $2 and e.type = 'entry.posted' and e.tenant = $1`;

/** A card's entries are told by the cards' log alone (docs/adr/0019). By its index on the events' subject. */
export const FIND_CARD_ENTRY_EVENTS = `
  select e.data from cards.events e
  where e.subject = $2 and e.tenant = $1`;

/** bigint's largest: every posting of an instant is before it. */
const LAST_SEQUENCE = 9_223_372_036_854_775_807n;

export interface PostingReading {
  readonly currency: string;
  readonly entryUuid: string;
  readonly sequence: bigint;
  /** Credits positive, debits negative. */
  readonly amountMinor: bigint;
  readonly postedAfterMinor: bigint;
  readonly postedAt: EpochMs;
}

/** A place in an account's order, which postings before it are older than. */
export interface PostingPlace {
  readonly postedAt: EpochMs;
  readonly sequence: bigint;
}

export interface PostingRange {
  /** Both inclusive. */
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly before: PostingPlace | undefined;
  readonly limit: number;
}

export class LedgerReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  async findAccount(tenant: string, id: string): Promise<AccountReading | undefined> {
    const [row] = await this.#reader.query<AccountRow>(FIND_ACCOUNT, [tenant, id]);
    return row === undefined ? undefined : accountReadingOf(row);
  }

  /** The balance of postings at or before `at`: 0 before the first, also before the account was opened. */
  async findAccountAt(tenant: string, id: string, at: EpochMs): Promise<AccountReading | undefined> {
    const [row] = await this.#reader.query<Omit<AccountRow, 'as_of'>>(FIND_ACCOUNT_AT, [
      tenant,
      id,
      new Date(at),
    ]);
    return row === undefined ? undefined : accountReadingOf({ ...row, as_of: at });
  }

  /** Up to `limit` accounts with an id above `after`, ascending. */
  async listAccounts(tenant: string, page: { after: string; limit: number }): Promise<AccountReading[]> {
    const rows = await this.#reader.query<AccountRow>(LIST_ACCOUNTS, [tenant, page.after, page.limit]);
    return rows.map(accountReadingOf);
  }

  /** Newest first; undefined if there is no such account. */
  async listPostings(
    tenant: string,
    accountId: string,
    range: PostingRange,
  ): Promise<PostingReading[] | undefined> {
    const { from, to, before, limit } = range;
    const start =
      before !== undefined && before.postedAt <= to ? before : { postedAt: to, sequence: LAST_SEQUENCE };
    const [account] = await this.#reader.query<{ key: bigint; currency: string }>(FIND_ACCOUNT_KEY, [
      tenant,
      accountId,
    ]);
    if (account === undefined) return undefined;
    const values = [account.key, new Date(from), new Date(start.postedAt), start.sequence, limit];
    const rows = await this.#reader.query<PostingRow>(LIST_POSTINGS, values);
    return rows.map((row) => postingReadingOf(row, account.currency));
  }

  async findEntry(tenant: string, uuid: string): Promise<EntryReading | undefined> {
    const [row] = await this.#reader.query<EntryRow>(FIND_ENTRY, [tenant, uuid]);
    if (row === undefined) return undefined;
    const { id, cause, purpose, description, reference } = row;
    const entryId = idOf('jen', id);
    const told = await this.#entriesTold(tenant, row);
    const posted = told.find(({ entry_id }) => entry_id === entryId);
    if (posted === undefined) throw new InvariantViolation(`entry ${entryId} has no event`);
    const { effective_on: effectiveOn, posted_at: postedAt } = row;
    return { id, cause, purpose, description, reference, effectiveOn, postedAt, postings: posted.postings };
  }

  /** Of the entry's cause, all that its events tell of. */
  async #entriesTold(tenant: string, row: EntryRow): Promise<EntryPosted[]> {
    const cause = causeIdOf(row);
    if (!CARD_PURPOSES.has(row.purpose)) {
      const events = await this.#reader.query<{ data: string }>(FIND_ENTRY_EVENT, [tenant, cause]);
      return events.map(({ data }) => JSON.parse(data) as EntryPosted);
    }
    const events = await this.#reader.query<{ data: string }>(FIND_CARD_ENTRY_EVENTS, [tenant, cause]);
    return events.flatMap(({ data }) => (JSON.parse(data) as { entry?: EntryPosted }).entry ?? []);
  }
}

const CARD_PURPOSES: ReadonlySet<EntryPurpose> = new Set(['top_up', 'card', 'card_reversal']);

interface AccountRow extends ProfileRow {
  id: string;
  kind: AccountKind;
  currency: string;
  floor: bigint | null;
  status: 'open' | 'closed';
  posted: bigint;
  held: bigint | null;
  as_of: EpochMs;
}

interface PostingRow {
  entry_id: string;
  sequence: bigint;
  amount: bigint;
  posted_after: bigint;
  posted_at: EpochMs;
}

interface EntryRow {
  id: string;
  cause: string;
  purpose: EntryPurpose;
  posted_at: EpochMs;
  description: string | null;
  reference: string | null;
  effective_on: string | null;
}

function accountReadingOf(row: AccountRow): AccountReading {
  const { id, kind, currency, floor, status, posted, held, as_of } = row;
  return {
    account: { id, kind, currency, floorMinor: floor },
    profile: profileOf(row),
    status,
    balance: { postedMinor: posted, heldMinor: held, asOf: as_of },
  };
}

function postingReadingOf(row: PostingRow, currency: string): PostingReading {
  return {
    currency,
    entryUuid: row.entry_id,
    sequence: row.sequence,
    amountMinor: row.amount,
    postedAfterMinor: row.posted_after,
    postedAt: row.posted_at,
  };
}
