/** What the making of a checkpoint reads and writes. Nothing here locks a head, or reads a table without an index. */
import { handledUpTo } from '#platform/dead-letters/parked-keys.ts';
import { perTopic } from '#platform/log/per-topic.ts';
import { byteaArray, int2Array, int4Array, int8Array, textArray } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement } from '#platform/postgres/session.ts';
import { BATCH_LEAF_SQL, type LogStanding } from './checkpoint.ts';
import type { Voucher } from './key-vouchers.ts';
import { bytesOf, type SigningKey } from './signing-key.ts';

export interface ChainLink {
  readonly number: number;
  readonly body: string;
}

/** As it is stored: nothing in it is believed before its signature is checked. */
export interface LastRow extends ChainLink {
  readonly signature: Buffer;
  /** By the database's clock. */
  readonly ageMs: number;
}

/** A partition now: its head, how far it was verified, and how the last checkpoint had it. */
export interface LogNow {
  readonly topic: string;
  readonly partition: number;
  readonly head: number;
  readonly headChain: Buffer;
  /** The chain value before the first append. */
  readonly genesis: Buffer;
  readonly verified: number;
  readonly last: LogStanding | undefined;
}

/** Batches behind a position, up to a head: as many as were asked for. */
export interface BatchPage {
  readonly partition: number;
  readonly batches: number;
  readonly upTo: number;
  readonly chain: Buffer;
  /** Leaf hashes, one behind the other. */
  readonly leaves: Buffer;
  /** Whether each batch begins where the one before it ends, and its chain value follows. */
  readonly sound: boolean;
}

export interface StretchStart {
  readonly partition: number;
  readonly after: number;
  readonly chain: Buffer;
  readonly head: number;
}

/** By the primary key, its last row. */
export const FIND_LAST_CHECKPOINT = statement(
  'integrity.find_last_checkpoint',
  `select number, body, signature, (extract(epoch from clock_timestamp() - written_at) * 1000)::float8 as age_ms
   from integrity.checkpoints where number > 0 order by number desc limit 1`,
);

/** By primary key. */
export const READ_CHAIN = statement(
  'integrity.read_checkpoint_chain',
  `select number, body from integrity.checkpoints
   where number > $1::bigint and number <= $2::bigint order by number limit $3::integer`,
);

/**
 * All heads of one instant: an append moves its head in the commit of its batch, so up to a head that is seen here every
 * batch is committed, and stays. The last standing by primary key, as of a checkpoint: another process may just have made
 * the next one. Verified is what integrity has handled, not what it has passed.
 */
export const READ_LOGS_NOW = statement(
  'integrity.read_logs_now',
  `select h.topic, h.partition, h.position as head, h.chain as head_chain, log.genesis(h.topic, h.partition) as genesis,
          coalesce(${handledUpTo('p')}, 0) as read_up_to,
          l.from_position, l.position, l.chain, l.verified, l.batches, l.root
   from log.heads h
   left join log.positions p
     on p.consumer_group = 'integrity' and p.topic = h.topic and p.partition = h.partition
   left join lateral (
     select * from integrity.checkpoint_logs c
     where c.topic = h.topic and c.partition = h.partition and c.number <= $1::bigint order by c.number desc limit 1
   ) l on true`,
);

const INSERT_CHECKPOINT = statement(
  'integrity.insert_checkpoint',
  'insert into integrity.checkpoints (number, body, signature) values ($1, $2, $3)',
);

const INSERT_LOGS = statement(
  'integrity.insert_checkpoint_logs',
  `insert into integrity.checkpoint_logs (number, topic, partition, from_position, position, chain, verified, batches, root)
   select $1::bigint, topic, partition, from_position, position, chain, verified, batches, root
   from ${batchRows(
     'moved',
     {
       topic: 'text',
       partition: 'smallint',
       from_position: 'bigint',
       position: 'bigint',
       chain: 'bytea',
       verified: 'bigint',
       batches: 'integer',
       root: 'bytea',
     },
     2,
   )}`,
);

const ADD_SIGNING_KEYS = statement(
  'integrity.add_signing_keys',
  `insert into integrity.signing_keys (kid, public_key)
   select kid, public_key from ${batchRows('known', { kid: 'text', public_key: 'bytea' })}
   on conflict (kid) do nothing`,
);

const ADD_VOUCHERS = statement(
  'integrity.add_key_vouchers',
  `insert into integrity.key_vouchers (kid, by_kid, signature)
   select kid, by_kid, signature
   from ${batchRows('vouchers', { kid: 'text', by_kid: 'text', signature: 'bytea' })}
   on conflict (kid, by_kid) do nothing`,
);

const FIND_INSTALLATION = statement(
  'integrity.find_installation',
  'select id from integrity.installation_ids',
);

/** By the batches' primary key, so many from each partition. Hashed where they lie: 32 bytes of each come out. */
export const readBatchPages = perTopic((topic) =>
  statement(
    `integrity.${topic}_batch_pages`,
    `select stretch.partition, page.*
     from ${batchRows('stretch', { partition: 'smallint', after: 'bigint', chain: 'bytea', head: 'bigint' })}
     cross join lateral (
       select count(*)::integer as batches, max(first + count - 1) as up_to,
              (array_agg(chain order by first desc))[1] as chain,
              string_agg(leaf, ''::bytea order by first) as leaves, bool_and(follows) as sound
       from (
         select first, count, chain, ${BATCH_LEAF_SQL} as leaf,
                first = lag(first + count, 1, stretch.after + 1) over in_order
                and chain = sha256(lag(chain, 1, stretch.chain) over in_order
                                   || int8send(first) || int4send(count) || root) as follows
         from (
           select b.first, b.count, b.root, b.chain from "${topic}".batches b
           where b.partition = stretch.partition and b.first > stretch.after and b.first <= stretch.head
           order by b.first limit $5::integer
         ) as next
         window in_order as (order by first)
       ) as hashed
     ) as page`,
  ),
);

export async function findLastCheckpoint(session: Session): Promise<LastRow | undefined> {
  const [row] = await session.query<{ number: bigint; body: string; signature: Buffer; age_ms: number }>(
    FIND_LAST_CHECKPOINT,
    [],
  );
  if (row === undefined) return undefined;
  const { number, age_ms: ageMs, ...rest } = row;
  return { ...rest, number: Number(number), ageMs };
}

export async function readChain(
  session: Session,
  { after, upTo, limit }: { readonly after: number; readonly upTo: number; readonly limit: number },
): Promise<ChainLink[]> {
  const rows = await session.query<{ number: bigint; body: string }>(READ_CHAIN, [after, upTo, limit]);
  return rows.map(({ number, body }) => ({ number: Number(number), body }));
}

export interface StandingRow {
  topic: string;
  partition: number;
  from_position: bigint;
  position: bigint;
  chain: Buffer;
  verified: bigint;
  batches: number;
  root: Buffer;
}

export function standingOf(row: StandingRow): LogStanding {
  return {
    topic: row.topic,
    partition: row.partition,
    from: Number(row.from_position),
    position: Number(row.position),
    chain: row.chain,
    verified: Number(row.verified),
    batches: row.batches,
    root: row.root,
  };
}

/** `atLast`: the number of the last checkpoint, 0 if there is none. */
export async function readLogsNow(session: Session, atLast: number): Promise<LogNow[]> {
  const rows = await session.query<
    Omit<StandingRow, 'position'> & {
      head: bigint;
      head_chain: Buffer;
      genesis: Buffer;
      read_up_to: bigint;
      position: bigint | null;
    }
  >(READ_LOGS_NOW, [atLast]);
  return rows.map(({ head, head_chain, genesis, read_up_to, position, ...row }) => ({
    topic: row.topic,
    partition: row.partition,
    head: Number(head),
    headChain: head_chain,
    genesis,
    verified: Number(read_up_to),
    last: position === null ? undefined : standingOf({ ...row, position }),
  }));
}

export async function readPages(
  session: Session,
  topic: string,
  { starts, pageBatches }: { readonly starts: readonly StretchStart[]; readonly pageBatches: number },
): Promise<BatchPage[]> {
  const rows = await session.query<Omit<BatchPage, 'upTo'> & { up_to: bigint }>(readBatchPages(topic), [
    int2Array(starts.map(({ partition }) => partition)),
    int8Array(starts.map(({ after }) => after)),
    byteaArray(starts.map(({ chain }) => chain)),
    int8Array(starts.map(({ head }) => head)),
    pageBatches,
  ]);
  return rows.map(({ up_to, ...row }) => ({ ...row, upTo: Number(up_to) }));
}

/** With the keys, so that none is stored that has signed nothing. A unique violation: another process has made this number. */
export async function insertCheckpoint(
  session: Session,
  checkpoint: {
    readonly number: number;
    readonly body: string;
    readonly signature: Buffer;
    /** Those that stand elsewhere than at the checkpoint before. */
    readonly moved: readonly LogStanding[];
    readonly key: SigningKey;
    readonly vouchers: readonly Voucher[];
  },
): Promise<void> {
  const { number, body, signature, moved, key, vouchers } = checkpoint;
  await session.transaction(async (tx) => {
    tx.run(ADD_SIGNING_KEYS, [
      textArray([...key.known.keys()]),
      byteaArray([...key.known.values()].map(bytesOf)),
    ]);
    tx.run(ADD_VOUCHERS, [
      textArray(vouchers.map(({ kid }) => kid)),
      textArray(vouchers.map(({ by }) => by)),
      byteaArray(vouchers.map((voucher) => voucher.signature)),
    ]);
    tx.run(INSERT_CHECKPOINT, [number, body, signature]);
    tx.run(INSERT_LOGS, [
      number,
      textArray(moved.map(({ topic }) => topic)),
      int2Array(moved.map(({ partition }) => partition)),
      int8Array(moved.map(({ from }) => from)),
      int8Array(moved.map(({ position }) => position)),
      byteaArray(moved.map(({ chain }) => chain)),
      int8Array(moved.map(({ verified }) => verified)),
      int4Array(moved.map(({ batches }) => batches)),
      byteaArray(moved.map(({ root }) => root)),
    ]);
  });
}

export async function findInstallation(session: Session): Promise<string> {
  const [row] = await session.query<{ id: string }>(FIND_INSTALLATION, []);
  return row?.id ?? '';
}
