/** The statements about who was told of an approval: repeats, confirmations, and what a process has not answered yet. */
import type { EpochMs } from '#kernel/clock.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, type Statement, statement, type Transaction } from '#platform/postgres/session.ts';
import { type CardTransactionKey, inOrder, keyColumns } from './store.ts';

/** Locked before in this transaction. Once for each: a repeat of a repeat finds it done. By primary key. */
function stampOnce(name: string, column: 'repeated_at' | 'confirmed_at'): Statement {
  return statement(
    name,
    `update cards.card_transactions c set ${column} = $3::timestamptz
   from ${batchRows('v', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select t.ctid from cards.card_transactions t
     where t.tenant = v.tenant and t.id = v.id and t.${column} is null offset 0
   ) as found(at)
   where c.ctid = found.at`,
  );
}

export const MARK_REPEATED = stampOnce('cards.mark_repeated', 'repeated_at');
export const CONFIRM = stampOnce('cards.confirm', 'confirmed_at');

/** By primary key. */
export const FORGET_UNCONFIRMED = statement(
  'cards.forget_unconfirmed',
  `delete from cards.unconfirmed u
   using ${batchRows('v', { tenant: 'text', id: 'uuid' })}
   cross join lateral (
     select t.ctid from cards.unconfirmed t where t.tenant = v.tenant and t.id = v.id offset 0
   ) as found(at)
   where u.ctid = found.at`,
);

/**
 * Marks those that `named` names by tenant and id, as far as they are there and stand: money is with a merchant or held for him, and
 * no repeat is known to have been told. Once each; whoever marks them first. By primary key.
 */
function marking(named: string, since: string): string {
  return `insert into cards.unconfirmed (tenant, id, since)
   select t.tenant, t.id, ${since}
   from ${named}
   cross join lateral (
     select * from cards.card_transactions t where t.tenant = named.tenant and t.id = named.id offset 0
   ) t
   where t.code = '00' and t.confirmed_at is null
     and (t.state = 'held' or (t.state = 'captured' and t.reversed < t.captured))
   on conflict (tenant, id) do nothing`;
}

export const MARK_UNCONFIRMED = statement(
  'cards.mark_unconfirmed',
  marking(batchRows('named', { tenant: 'text', id: 'uuid' }), '$3::timestamptz'),
);

/** The one row of this process; others only read it, and whoever buries the process skips it while it is locked. By primary key. */
export const SAVE_DECIDER = statement(
  'cards.save_decider',
  `insert into cards.deciders (process, tenants, pending, seen_at)
   values ($1::uuid, $2::text[], $3::uuid[], clock_timestamp())
   on conflict (process) do update
   set tenants = excluded.tenants, pending = excluded.pending, seen_at = excluded.seen_at`,
);

/**
 * Rows of deciders that name approvals and were not written for ten seconds, or were before the clock was set back: a process
 * that lives writes its row again within 50 ms of the answers. Locks those rows, skipping one that is being written. There is a row per process: a scan.
 */
export const BURY_DECIDERS = statement(
  'cards.bury_deciders',
  `with gone as materialized (
     select d.process, d.tenants, d.pending from cards.deciders d
     where d.seen_at not between clock_timestamp() - interval '10 s' and clock_timestamp() + interval '10 s' and d.pending <> '{}'
     for update skip locked
   ), buried as (
     update cards.deciders d set tenants = '{}', pending = '{}' from gone where d.process = gone.process
   )
   ${marking(
     '(select unnest(gone.tenants) as tenant, unnest(gone.pending) as id from gone) as named',
     'clock_timestamp()',
   )}`,
);

/** A day later nobody asks for the rows of processes that have ended. A row per process: a scan. */
export const FORGET_DECIDERS = statement(
  'cards.forget_deciders',
  `delete from cards.deciders d where d.seen_at < clock_timestamp() - interval '1 day' and d.pending = '{}'`,
);

/** They are about to be told once more. */
export function markRepeated(tx: Transaction, keys: readonly CardTransactionKey[], now: EpochMs): void {
  if (keys.length > 0) tx.run(MARK_REPEATED, [...keyColumns(inOrder(keys)), new Date(now)]);
}

/** Their answer was given again, or they were given back: nobody has to look after them. */
export function settleUnconfirmed(tx: Transaction, keys: readonly CardTransactionKey[]): void {
  if (keys.length > 0) tx.run(FORGET_UNCONFIRMED, keyColumns(inOrder(keys)));
}

export function confirm(tx: Transaction, keys: readonly CardTransactionKey[], now: EpochMs): void {
  if (keys.length === 0) return;
  tx.run(CONFIRM, [...keyColumns(inOrder(keys)), new Date(now)]);
  settleUnconfirmed(tx, keys);
}

export function markUnconfirmed(tx: Transaction, keys: readonly CardTransactionKey[], now: EpochMs): void {
  if (keys.length > 0) tx.run(MARK_UNCONFIRMED, [...keyColumns(inOrder(keys)), new Date(now)]);
}

export function saveDecider(
  tx: Transaction,
  processUuid: string,
  pending: readonly CardTransactionKey[],
): void {
  tx.run(SAVE_DECIDER, [processUuid, ...keyColumns(pending)]);
}

/** What processes that are gone may not have answered is marked. */
export async function buryDeciders(session: Session): Promise<void> {
  await session.query(BURY_DECIDERS, []);
  await session.query(FORGET_DECIDERS, []);
}
