/**
 * Daily balances made anew from the logs. What the events say is counted into tables of the rebuild's own, by the very steps of
 * the consumer; when that has caught up with the group, accounts are compared page by page, and put right where they differ.
 * Readers meet no table that is half made.
 *
 * RB1: the page of a comparison is as far as the group is, in a transaction that keeps the group out and holds the accounts'
 *      locks: nothing is counted or sealed meanwhile.
 * RB2: what is replaced is kept as a version like any other. What is right stays as it is, with its version and its seal.
 * RB3: seals are what the consolidation's own log says last of a day, if it says so of the same hash.
 * RB4: a version that was replaced is what the log told when it was sealed. It tells of no other.
 * RB5: nothing is compared while a posting of the rebuild's own waits that could be counted.
 */
import type { EpochMs } from '#kernel/clock.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { Correction, ModelTransaction } from '#platform/log/read-model.ts';
import type { Row, Statement } from '#platform/postgres/session.ts';
import type { BatchTransaction } from './batch-transaction.ts';
import {
  decide,
  decideWaiting,
  GROUP,
  loadEvents,
  loadNames,
  noMemory,
  READ_TOPICS,
  save,
} from './consumer.ts';
import { DAY_COLUMNS, dayColumnsIn } from './day-row.ts';
import { type AccountFacts, type AccountName, nameText, openedBy, TOLD } from './posting.ts';
import { inOrder, lockAccounts, saveFacts } from './store.ts';
import { type DueAccounts, findDue } from './waiting-postings.ts';

export class RebuildSuperseded extends Error {}

/** A rebuild under way. */
export class DaysRebuild {
  static readonly group = GROUP;
  static readonly topics: readonly string[] = READ_TOPICS;
  /** Types of the events that it is made of. */
  static readonly types: readonly string[] = [...TOLD.keys()];
  readonly #id: string;

  private constructor(id: string) {
    this.#id = id;
  }

  static async begin(tx: ModelTransaction, id: string): Promise<DaysRebuild> {
    await tx.query('select consolidation.begin_rebuild($1)', [id]);
    return new DaysRebuild(id);
  }

  /** Kinds, currencies, time zones and when they were opened, as account.opened tells it, before anything is counted by them. */
  async openAccounts(tx: ModelTransaction, events: readonly LogEvent[]): Promise<void> {
    const told = new Map(
      events.flatMap((event) => openedBy(event) ?? []).map((each) => [nameText(each), each]),
    );
    if (told.size === 0) return;
    const batch = batchOf(tx);
    const names = inOrder([...told.values()]);
    const accounts = await lockAccounts(batch.tx, names, names);
    const wrong = accounts.flatMap((account) => {
      const opened = told.get(nameText(account));
      return opened === undefined || isSame(account.facts, opened)
        ? []
        : [{ key: account.key, facts: opened }];
    });
    saveFacts(batch.tx, wrong);
    await batch.sent();
    // Who remembers an account remembers how its days are cut.
    if (wrong.length > 0) await tx.query(NOTE_CHANGE, [wrong.map(({ key }) => key)]);
  }

  /** Counts events into the rebuild's own tables, as the consumer would. */
  async count(tx: ModelTransaction, events: readonly LogEvent[]): Promise<void> {
    await this.#assertCurrent(tx);
    const batch = batchOf(tx);
    // Nothing is remembered: a transaction of a rebuild may be run again.
    const now = events.reduce((latest, { occurredAt }) => Math.max(latest, occurredAt), 0);
    const plan = decide(await loadEvents(batch.tx, events, noMemory()), now);
    save(batch.tx, plan);
    await batch.sent();
  }

  /** RB5: the accounts, behind a key, for which more waited than a batch looks at; none of them is missing a posting. */
  async findDue(tx: ModelTransaction, after: bigint): Promise<DueAccounts> {
    await this.#assertCurrent(tx);
    return findDue(batchOf(tx).tx, after);
  }

  /** Counts what waits for the accounts, as far as one batch looks. */
  async countWaiting(tx: ModelTransaction, names: readonly AccountName[], now: EpochMs): Promise<void> {
    await this.#assertCurrent(tx);
    const batch = batchOf(tx);
    save(batch.tx, decideWaiting(await loadNames(batch.tx, inOrder(names)), now));
    await batch.sent();
  }

  /** Puts right the accounts with keys after the first and up to the second bound, but for those that are left alone (RB1). */
  async correct(
    tx: ModelTransaction,
    {
      after,
      upTo,
      leaving,
    }: { readonly after: bigint; readonly upTo: bigint; readonly leaving: readonly AccountName[] },
  ): Promise<Correction> {
    await this.#assertCurrent(tx);
    const keys = await lockRange(tx, { after, upTo, leaving });
    const counts = { written: 0, removed: 0 };
    const run = async (text: string): Promise<number> => (await tx.query(text, [keys])).length;
    const changed = await run(CHANGE);
    const begun = await run(INSERT);
    counts.removed += await run(REMOVE);
    const sealed = (await run(SEAL)) + (await run(UNSEAL)) + (await run(RESTORE_VERSIONS));
    const standing = (await run(REMOVE_STANDINGS)) + (await run(CORRECT_STANDINGS));
    counts.removed += await run(REMOVE_WAITING);
    counts.written += changed + begun + sealed + standing + (await run(INSERT_WAITING));
    if (counts.written + counts.removed > 0) await run(NOTE_CHANGE);
    return counts;
  }

  /** Rows of accounts that are not there, which no page meets. */
  async removeStrays(tx: ModelTransaction): Promise<number> {
    await this.#assertCurrent(tx);
    return (await tx.query(REMOVE_STRAYS, [])).length;
  }

  /** The key of the last account of a page. */
  async lastKey(tx: ModelTransaction, after: bigint, limit: number): Promise<bigint | undefined> {
    const [row] = await tx.query<{ key: bigint }>(
      `select key from (select key from consolidation.accounts where key > $1 order by key limit $2) page
       order by key desc limit 1`,
      [after, limit],
    );
    return row?.key;
  }

  async #assertCurrent(tx: ModelTransaction): Promise<void> {
    const rows = await tx.query('select from consolidation.rebuilds where id = $1 for share', [this.#id]);
    if (rows.length === 0) throw new RebuildSuperseded('another rebuild of the daily balances has begun');
  }
}

function isSame(facts: AccountFacts | undefined, opened: AccountFacts): boolean {
  return (
    facts?.kind === opened.kind &&
    facts.currency === opened.currency &&
    facts.timeZone === opened.timeZone &&
    facts.openedAt === opened.openedAt
  );
}

/** The tables that a rebuild has of its own. Accounts are those of all. */
export function ownTables(text: string): string {
  return text.replaceAll(
    /\bconsolidation\.(days|day_versions|standings|waiting)\b/g,
    'consolidation.rebuilt_$1',
  );
}

function batchOf(tx: ModelTransaction): { readonly tx: BatchTransaction; sent(): Promise<unknown> } {
  const sent: Promise<unknown>[] = [];
  const query = <R = Row>({ text }: Statement, values: readonly unknown[]): Promise<R[]> =>
    tx.query<R>(ownTables(text), values);
  return {
    tx: { query, run: (statement, values) => void sent.push(query(statement, values)) },
    sent: () => Promise.all(sent),
  };
}

/** In the order of the names, which is everybody's. */
async function lockRange(
  tx: ModelTransaction,
  {
    after,
    upTo,
    leaving,
  }: { readonly after: bigint; readonly upTo: bigint; readonly leaving: readonly AccountName[] },
): Promise<bigint[]> {
  const left = new Set(leaving.map(nameText));
  const rows = await tx.query<AccountName & { key: bigint }>(
    `select key, tenant, id from consolidation.accounts where key > $1 and key <= $2
     order by tenant || '/' || id collate "C" for no key update`,
    [after, upTo],
  );
  return rows.filter((row) => !left.has(nameText(row))).map(({ key }) => key);
}

const OF_KEYS = 'account_key = any ($1::bigint[])';
const FIGURES = ['opening', 'credits', 'debits', 'count', 'closing', 'hash'];
const SET_FIGURES = FIGURES.map((figure) => `${figure} = r.${figure}`).join(', ');
const DIFFERS = `(${FIGURES.map((figure) => `d.${figure}`).join(', ')}) is distinct from (${FIGURES.map((figure) => `r.${figure}`).join(', ')})`;

/** RB2 */
const CHANGE = `
  with wrong as materialized (
    select ${dayColumnsIn('d')} from consolidation.days d join consolidation.rebuilt_days r using (account_key, day)
    where d.${OF_KEYS} and ${DIFFERS}
  ), kept as (
    insert into consolidation.day_versions (${DAY_COLUMNS}, replaced_at) select ${DAY_COLUMNS}, now() from wrong
  )
  update consolidation.days d
  set version = d.version + 1, ${SET_FIGURES}, cause = r.cause, as_of = now(),
      sealed_at = case when d.hash = r.hash then d.sealed_at end
  from consolidation.rebuilt_days r
  where r.account_key = d.account_key and r.day = d.day and d.${OF_KEYS} and ${DIFFERS}
  returning 1 as changed`;

const INSERT = `
  insert into consolidation.days (${DAY_COLUMNS})
  select r.account_key, r.day, coalesce(kept.version, 0) + 1, r.opening, r.credits, r.debits, r.count, r.closing, r.hash, r.cause,
         now(), null
  from consolidation.rebuilt_days r
  left join lateral (
    select max(v.version) as version from consolidation.day_versions v where v.account_key = r.account_key and v.day = r.day
  ) kept on true
  where r.${OF_KEYS}
    and not exists (select from consolidation.days d where d.account_key = r.account_key and d.day = r.day)
  returning 1 as begun`;

const REMOVE = `
  with gone as (
    delete from consolidation.days d
    where d.${OF_KEYS}
      and not exists (select from consolidation.rebuilt_days r where r.account_key = d.account_key and r.day = d.day)
    returning ${dayColumnsIn('d')}
  )
  insert into consolidation.day_versions (${DAY_COLUMNS}, replaced_at) select ${DAY_COLUMNS}, now() from gone returning 1 as removed`;

/** RB3: by the log's index on subjects; all of an account are in one partition. */
const LAST_TOLD = `
  select distinct on (a.key, e.data::json->>'date')
         a.key as account_key, (e.data::json->>'date')::date as day, e.type, e.data::json->>'hash' as hash, e.occurred_at
  from consolidation.accounts a
  join consolidation.events e on e.subject = a.id and e.tenant = a.tenant
  where a.key = any ($1::bigint[]) and e.type in ('day.sealed', 'day.reopened')
  order by a.key, e.data::json->>'date', e.position desc`;

const SEAL = `
  with told as materialized (${LAST_TOLD})
  update consolidation.days d set sealed_at = told.occurred_at
  from told
  where d.account_key = told.account_key and d.day = told.day and d.sealed_at is distinct from told.occurred_at
    and told.type = 'day.sealed' and told.hash = encode(d.hash, 'hex')
  returning 1 as sealed`;

const UNSEAL = `
  with told as materialized (${LAST_TOLD})
  update consolidation.days d set sealed_at = null
  where d.${OF_KEYS} and d.sealed_at is not null and not exists (
    select from told where told.account_key = d.account_key and told.day = d.day
      and told.type = 'day.sealed' and told.hash = encode(d.hash, 'hex')
  )
  returning 1 as opened`;

const EVENT_DAY = `a.key, (e.data::json->>'date')::date`;
const EVENTS_OF_A = `consolidation.accounts a
    join consolidation.events e on e.subject = a.id and e.tenant = a.tenant
    where a.key = any ($1::bigint[])`;
const TOLD_FIGURES = ['opening', 'credits', 'debits', 'count', 'closing'];
const SET_TOLD = TOLD_FIGURES.map((figure) => `coalesce(told.${figure}, v.${figure})`).join(', ');

/** As the log tells it; where it has only told that it was opened again, as it was kept, or else no later than that. */
const SEALED_AT = 'coalesce(told.sealed_at, v.sealed_at, told.at)';

/** RB4: by the log's index on subjects; versions by primary key, in each month that is kept. */
const RESTORE_VERSIONS = `
  with told as materialized (
    select account_key, day, version, ${TOLD_FIGURES.map((figure) => `max(${figure}) as ${figure}`).join(', ')},
           max(hash) as hash, max(sealed_at) as sealed_at, min(at) as at
    from (
      select ${EVENT_DAY}, (e.data::json->>'version')::integer,
             ${TOLD_FIGURES.map((figure) => `(e.data::json->>'${figure}')::bigint`).join(', ')},
             e.data::json->>'hash', e.occurred_at, e.occurred_at
      from ${EVENTS_OF_A} and e.type = 'day.sealed'
      union all
      select ${EVENT_DAY}, (e.data::json->>'sealed_version')::integer,
             ${TOLD_FIGURES.map(() => 'null').join(', ')}, e.data::json->>'sealed_hash', null, e.occurred_at
      from ${EVENTS_OF_A} and e.type = 'day.reopened'
    ) events(account_key, day, version, ${TOLD_FIGURES.join(', ')}, hash, sealed_at, at)
    group by account_key, day, version
  )
  update consolidation.day_versions v
  set (${TOLD_FIGURES.join(', ')}, hash, sealed_at) = (select ${SET_TOLD}, decode(told.hash, 'hex'), ${SEALED_AT})
  from told
  where v.account_key = told.account_key and v.day = told.day and v.version = told.version
    and (${TOLD_FIGURES.map((figure) => `v.${figure}`).join(', ')}, encode(v.hash, 'hex'), v.sealed_at)
      is distinct from (${SET_TOLD}, told.hash, ${SEALED_AT})
  returning 1 as restored`;

const REMOVE_STANDINGS = `
  delete from consolidation.standings s
  where s.${OF_KEYS} and not exists (select from consolidation.rebuilt_standings r where r.account_key = s.account_key)
  returning 1 as removed`;

const CORRECT_STANDINGS = `
  insert into consolidation.standings as s (account_key, sequence, last_day, change)
  select r.account_key, r.sequence, r.last_day, r.change from consolidation.rebuilt_standings r where r.${OF_KEYS}
  on conflict (account_key) do update
    set sequence = excluded.sequence, last_day = excluded.last_day
    where (s.sequence, s.last_day) is distinct from (excluded.sequence, excluded.last_day)
  returning 1 as written`;

const REMOVE_WAITING = `
  delete from consolidation.waiting w
  where w.${OF_KEYS} and not exists (
    select from consolidation.rebuilt_waiting r where r.account_key = w.account_key and r.sequence = w.sequence
  )
  returning 1 as removed`;

const INSERT_WAITING = `
  insert into consolidation.waiting
  select r.* from consolidation.rebuilt_waiting r where r.${OF_KEYS}
  on conflict (account_key, sequence) do nothing
  returning 1 as written`;

/** Whoever keeps a report of one of them makes it anew. */
const NOTE_CHANGE = `
  update consolidation.standings s set change = (select nextval('consolidation.changes')) where s.${OF_KEYS}
  returning 1 as noted`;

const REMOVE_STRAYS = `
  with gone as (
    delete from consolidation.standings s
    where not exists (select from consolidation.accounts a where a.key = s.account_key)
  ), early as (
    delete from consolidation.waiting w
    where not exists (select from consolidation.accounts a where a.key = w.account_key)
  )
  delete from consolidation.days d
  where not exists (select from consolidation.accounts a where a.key = d.account_key)
  returning 1 as removed`;
