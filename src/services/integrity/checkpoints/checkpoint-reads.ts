/** Checkpoints and public keys, for whoever keeps copies of them elsewhere. */
import type { Reader } from '#platform/postgres/read-pool.ts';
import { inLogOrder, type LogStanding } from './checkpoint.ts';
import { type StandingRow, standingOf } from './checkpoint-store.ts';
import type { StoredKeys, Voucher } from './key-vouchers.ts';

export interface StoredCheckpoint {
  readonly number: number;
  /** What is signed. */
  readonly body: string;
  readonly signature: Buffer;
}

interface CheckpointRow {
  number: bigint;
  body: string;
  signature: Buffer;
}

export class CheckpointReads {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Newest first, below `before` if it is given. By primary key. */
  async list(before: bigint | undefined, limit: number): Promise<StoredCheckpoint[]> {
    const rows = await this.#reader.query<CheckpointRow>(
      `select number, body, signature from integrity.checkpoints
       where $1::bigint is null or number < $1 order by number desc limit $2`,
      [before ?? null, limit],
    );
    return rows.map(checkpointOf);
  }

  /** By primary key. */
  async find(number: number): Promise<StoredCheckpoint | undefined> {
    const [row] = await this.#reader.query<CheckpointRow>(
      'select number, body, signature from integrity.checkpoints where number = $1',
      [number],
    );
    return row === undefined ? undefined : checkpointOf(row);
  }

  /** Where each partition of each log stood at a checkpoint, in its order: the last row up to it, by primary key. */
  async standingsAt(number: number): Promise<LogStanding[]> {
    const rows = await this.#reader.query<StandingRow>(
      `select l.topic, l.partition, l.from_position, l.position, l.chain, l.verified, l.batches, l.root
       from log.heads h
       cross join lateral (
         select * from integrity.checkpoint_logs c
         where c.topic = h.topic and c.partition = h.partition and c.number <= $1
         order by c.number desc limit 1
       ) l`,
      [number],
    );
    return inLogOrder(rows.map(standingOf));
  }

  /** All there are, oldest first, and who vouches for them: a handful. */
  async keys(): Promise<StoredKeys> {
    const [[installation], keys, vouchers] = await Promise.all([
      this.#reader.query<{ id: string }>('select id from integrity.installation_ids', []),
      this.#reader.query<{ public_key: Buffer }>(
        'select public_key from integrity.signing_keys order by added_at, kid',
        [],
      ),
      this.#reader.query<Voucher>(
        'select kid, by_kid as by, signature from integrity.key_vouchers order by kid, by_kid',
        [],
      ),
    ]);
    return {
      installation: installation?.id ?? '',
      publicKeys: keys.map(({ public_key }) => public_key),
      vouchers,
    };
  }
}

function checkpointOf(row: CheckpointRow): StoredCheckpoint {
  return { ...row, number: Number(row.number) };
}
