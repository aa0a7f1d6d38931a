/**
 * Follows the cards' log and has each stretch of it judged: decisions with their entries, rows, holds and notifications
 * (docs/adr/0022). What is wrong becomes a finding; what is not costs a position.
 *
 * CJ1: a stretch ends where the group stands that tells the holders, so an outage of it is no finding, and what it has passed
 *      it has told, or left behind a dead letter.
 * CJ2: findings are stored before the position is: who dies in between judges again, and the same findings are no new ones.
 */
import { int2Array, int8Array } from '#platform/postgres/arrays.ts';
import { batchRows } from '#platform/postgres/batch-rows.ts';
import { type Session, statement } from '#platform/postgres/session.ts';
import { CARD_NOTIFICATION_GROUP } from '#sagas/card-transaction.ts';
import type { FindingDesk } from './finding-desk.ts';
import type { Proof } from './proof-port.ts';
import { sightingsOf } from './sighting-owners.ts';

/** CJ1. A row per partition, by primary keys. */
export const LIST_UNJUDGED = statement(
  'integrity.list_unjudged_cards',
  `select p.partition, coalesce(j.position, 0)::bigint as after, p.position as up_to
   from log.positions p left join integrity.judged_cards j on j.partition = p.partition
   where p.consumer_group = '${CARD_NOTIFICATION_GROUP}' and p.topic = 'cards' and p.position > coalesce(j.position, 0)
   order by p.partition`,
);

/** Never back: another process may have come further. By primary key, in its order. */
export const SAVE_JUDGED = statement(
  'integrity.save_judged_cards',
  `insert into integrity.judged_cards as j (partition, position, judged_at)
   select partition, position, now() from ${batchRows('v', { partition: 'smallint', position: 'bigint' })} order by partition
   on conflict (partition) do update set position = excluded.position, judged_at = excluded.judged_at
   where j.position < excluded.position`,
);

interface UnjudgedRow {
  readonly partition: number;
  readonly after: bigint;
  readonly up_to: bigint;
}

export class CardJudge {
  readonly #session: Session;
  readonly #desk: FindingDesk;
  readonly #proof: Pick<Proof, 'judgeCards'>;

  constructor(options: { session: Session; desk: FindingDesk; proof: Pick<Proof, 'judgeCards'> }) {
    this.#session = options.session;
    this.#desk = options.desk;
    this.#proof = options.proof;
  }

  /** Some of every partition; whether more is left. */
  async judge(): Promise<boolean> {
    const rows = await this.#session.query<UnjudgedRow>(LIST_UNJUDGED, []);
    if (rows.length === 0) return false;
    const { judged, findings } = await this.#proof.judgeCards(
      rows.map(({ partition, after, up_to: upTo }) => ({ partition, after, upTo })),
    );
    // CJ2
    if (findings.length > 0) await this.#desk.open(await sightingsOf(this.#session, findings));
    await this.#session.query(SAVE_JUDGED, [
      int2Array(judged.map(({ partition }) => partition)),
      int8Array(judged.map(({ upTo }) => upTo)),
    ]);
    return judged.some(({ upTo }, index) => upTo !== rows[index]?.up_to);
  }
}
