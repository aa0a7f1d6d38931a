/** The checkpoints as they are stored, page by page, for who judges them; the judging is `src/proof`'s. */
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { LogStanding } from './checkpoint.ts';
import type { StoredCheckpoint } from './checkpoint-reads.ts';
import { type StandingRow, standingOf } from './checkpoint-store.ts';
import type { Voucher } from './key-vouchers.ts';

export interface CheckpointTrust {
  readonly installation: string | undefined;
  readonly keys: readonly { readonly kid: string; readonly publicKey: Buffer }[];
  readonly vouchers: readonly Voucher[];
  /** The last checkpoint's body, of the same instant as the keys: it names who signs now. */
  readonly lastBody: string | undefined;
  /** The last number there is, of those that a checkpoint can come to; 0 if there is none. */
  readonly last: number;
  /** The greatest of the others. */
  readonly beyond: bigint | undefined;
  /** A number beyond the last of which a log's standing is told. */
  readonly orphan: number | undefined;
  /** The last one's row is said to come only some time from now: as long as it is so young, none is made after it. */
  readonly isAhead: boolean;
}

/**
 * One statement for the last number and what lies beyond it: a checkpoint and its standings are committed together. The keys
 * are read after it: each was stored with the first checkpoint that it signed.
 */
export async function readCheckpointTrust(reader: Reader): Promise<CheckpointTrust> {
  const [end] = await reader.query<{
    last: bigint;
    greatest: bigint | null;
    orphan: bigint | null;
    is_ahead: boolean | null;
  }>(
    `select ends.last, (select max(number) from integrity.checkpoints) as greatest,
            (select c.written_at > now() + interval '1 day' from integrity.checkpoints c where c.number = ends.last) as is_ahead,
            (select min(l.number) from log.heads h cross join lateral (
               select c.number from integrity.checkpoint_logs c
               where c.topic = h.topic and c.partition = h.partition and c.number > ends.last
               order by c.number limit 1
             ) l) as orphan
     from (select coalesce(max(number), 0) as last from integrity.checkpoints where number <= $1) as ends`,
    [Number.MAX_SAFE_INTEGER],
  );
  const last = end?.last ?? 0n;
  const ids = await reader.query<{ id: string }>('select id from integrity.installation_ids', []);
  const keys = await reader.query<{ kid: string; public_key: Buffer; last_body: string | null }>(
    `select kid, public_key,
            (select body from integrity.checkpoints where number <= $1 order by number desc limit 1) as last_body
     from integrity.signing_keys order by kid`,
    [Number.MAX_SAFE_INTEGER],
  );
  const vouchers = await reader.query<Voucher>(
    'select kid, by_kid as by, signature from integrity.key_vouchers order by kid, by_kid',
    [],
  );
  return {
    installation: ids.length === 1 ? ids[0]?.id : undefined,
    keys: keys.map(({ kid, public_key: publicKey }) => ({ kid, publicKey })),
    vouchers,
    lastBody: keys[0]?.last_body ?? undefined,
    last: Number(last),
    beyond: typeof end?.greatest === 'bigint' && end.greatest > last ? end.greatest : undefined,
    orphan: typeof end?.orphan === 'bigint' ? Number(end.orphan) : undefined,
    isAhead: end?.is_ahead === true,
  };
}

/** Where a partition is said to have stood at a checkpoint. */
export interface StandingRef {
  readonly topic: string;
  readonly partition: number;
  readonly number: number;
}

/**
 * The first standing of each partition that has no head, or of one that has, if it is of no checkpoint there can be: all others are
 * read beside the checkpoints. Steps from partition to partition along the primary key, however many standings each has.
 */
export async function listStrayStandings(reader: Reader, limit: number): Promise<StandingRef[]> {
  const rows = await reader.query<Omit<StandingRef, 'number'> & { readonly number: bigint }>(
    `with recursive places(topic, partition, number) as (
       (select topic, partition, number from integrity.checkpoint_logs where topic >= ''
        order by topic, partition, number limit 1)
       union all
       select next.* from places p cross join lateral (
         select l.topic, l.partition, l.number from integrity.checkpoint_logs l
         where (l.topic, l.partition) > (p.topic, p.partition)
         order by l.topic, l.partition, l.number limit 1
       ) next
     )
     select p.topic, p.partition, p.number from places p
     where p.number < 1
        or not exists (select from log.heads h where h.topic = p.topic and h.partition = p.partition)
     limit $1`,
    [limit],
  );
  return rows.map((row) => ({ ...row, number: Number(row.number) }));
}

/** Ascending. By primary key. */
export async function listCheckpoints(
  reader: Reader,
  { after, upTo, limit }: { readonly after: number; readonly upTo: number; readonly limit: number },
): Promise<StoredCheckpoint[]> {
  const rows = await reader.query<{ number: bigint; body: string; signature: Buffer }>(
    `select number, body, signature from integrity.checkpoints
     where number > $1 and number <= $2 order by number limit $3`,
    [after, upTo, limit],
  );
  return rows.map((row) => ({ ...row, number: Number(row.number) }));
}

/** Where a log's partition stood at a checkpoint, if that differs from the one before. */
export interface NumberedStanding extends LogStanding {
  readonly number: number;
}

/** Of all logs that have a head, ascending by number. By primary key, partition by partition (`offset 0` keeps it so). */
export async function listStandings(
  reader: Reader,
  { after, upTo }: { readonly after: number; readonly upTo: number },
): Promise<NumberedStanding[]> {
  const rows = await reader.query<StandingRow & { number: bigint }>(
    `select c.* from log.heads h cross join lateral (
       select * from integrity.checkpoint_logs l
       where l.topic = h.topic and l.partition = h.partition and l.number > $1 and l.number <= $2
       offset 0
     ) c
     order by c.number`,
    [after, upTo],
  );
  return rows.map(numbered);
}

/** Of one partition of one log, by primary key. */
export async function listStandingsOf(
  reader: Reader,
  place: { readonly topic: string; readonly partition: number },
  { after, upTo, limit }: { readonly after: number; readonly upTo: number; readonly limit: number },
): Promise<NumberedStanding[]> {
  const rows = await reader.query<StandingRow & { number: bigint }>(
    `select * from integrity.checkpoint_logs
     where topic = $1 and partition = $2 and number > $3 and number <= $4 order by number limit $5`,
    [place.topic, place.partition, after, upTo, limit],
  );
  return rows.map(numbered);
}

function numbered(row: StandingRow & { number: bigint }): NumberedStanding {
  return { ...standingOf(row), number: Number(row.number) };
}
