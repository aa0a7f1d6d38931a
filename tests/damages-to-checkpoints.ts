/** What can be done to checkpoints, and to logs behind the back of everything but their checkpoints; see damages.ts. */
import { LEAF_SQL } from '#proof/leaf-sql.ts';
import { type Damage, type Run, toNamed } from './damage.ts';

/** A batch of one event with others behind it. */
const EARLY_BATCH = `select format('%s/%s', b.partition, b.first) from ledger.batches b
  where b.count = 1 and exists (select from ledger.batches c where c.partition = b.partition and c.first > b.first)
  order by b.partition, b.first limit 1`;

/** Root and chain values from the batch on, and the head: what `append` would have made of the events as they are. */
async function rehash(run: Run, partition: number, first: number): Promise<void> {
  await run(
    `update ledger.batches b set root = ${LEAF_SQL} from ledger.events e
     where b.partition = $1 and b.first = $2 and e.partition = b.partition and e.position = b.first returning 1`,
    partition,
    first,
  );
  await run(
    `with recursive after(first, count, chain) as (
       select b.first, b.count, sha256(coalesce(p.chain, log.genesis('ledger', $1))
                                       || int8send(b.first) || int4send(b.count) || b.root)
       from ledger.batches b
       left join ledger.batches p on p.partition = b.partition and p.first + p.count = b.first
       where b.partition = $1 and b.first = $2
       union all
       select b.first, b.count, sha256(after.chain || int8send(b.first) || int4send(b.count) || b.root)
       from after join ledger.batches b on b.partition = $1 and b.first = after.first + after.count
     )
     update ledger.batches b set chain = after.chain from after
     where b.partition = $1 and b.first = after.first returning 1`,
    partition,
    first,
  );
  await run(
    `update log.heads h set chain = (
       select chain from ledger.batches where partition = $1 order by first desc limit 1)
     where h.topic = 'ledger' and h.partition = $1 returning 1`,
    partition,
  );
}

export const TO_CHECKPOINTS: readonly Damage[] = [
  {
    title: 'a history rewritten from one event on, root and chain recomputed',
    async inflict(run) {
      const [partition, first] = (await run(EARLY_BATCH)).split('/').map(Number) as [number, number];
      await run(
        'update ledger.events set correlation_id = reverse(correlation_id) where partition = $1 and position = $2 returning 1',
        partition,
        first,
      );
      await rehash(run, partition, first);
      const from = await run(
        `select min(from_position) from integrity.checkpoint_logs
         where topic = 'ledger' and partition = $1 and position >= $2`,
        partition,
        first,
      );
      const subject = `ledger/${partition}/${Number(from) + 1}`;
      return [{ check: 'checkpoints', kind: 'rewritten_log', subject }];
    },
  },
  {
    title: 'a log cut off at its end, with the head and all positions put back',
    async inflict(run) {
      const partition = await run('select min(partition) from notification.batches');
      const first = await run('select max(first) from notification.batches where partition = $1', partition);
      for (const [table, column] of [
        ['events', 'position'],
        ['batches', 'first'],
      ])
        await run(
          `delete from notification.${table} where partition = $1 and ${column} >= $2 returning 1`,
          partition,
          first,
        );
      await run(
        `update log.heads h set position = $2::bigint - 1, chain = coalesce(
           (select chain from notification.batches where partition = $1 order by first desc limit 1),
           log.genesis('notification', $1))
         where h.topic = 'notification' and h.partition = $1 returning 1`,
        partition,
        first,
      );
      await run(
        `update log.positions set position = least(position, $2::bigint - 1)
         where topic = 'notification' and partition = $1 returning 1`,
        partition,
        first,
      );
      return [{ check: 'checkpoints', kind: 'truncated_log', subject: `notification/${partition}` }];
    },
  },
  toNamed(
    'a changed checkpoint',
    `update integrity.checkpoints set body = replace(body, '"logs":', '"logs":1') where number = 1
     returning 'checkpoint/1'`,
    [['checkpoints', 'wrong_signature']],
  ),
  toNamed(
    'a checkpoint that is no JSON',
    `update integrity.checkpoints set body = body || ' ' where number = 2 returning 'checkpoint/2'`,
    [['checkpoints', 'unreadable_checkpoint']],
  ),
  toNamed(
    'a changed signature',
    `update integrity.checkpoints set signature = set_byte(signature, 7, (get_byte(signature, 7) + 1) % 256)
     where number = 2 returning 'checkpoint/2'`,
    [['checkpoints', 'wrong_signature']],
  ),
  toNamed(
    'a checkpoint of a number that none ever comes to',
    `insert into integrity.checkpoints (number, body, signature)
     select 9223372036854775807, body, signature from integrity.checkpoints where number = 1 returning 'checkpoint/' || number`,
    [['checkpoints', 'misplaced_checkpoint']],
  ),
  toNamed(
    'a checkpoint that is younger than any to come for a century',
    `update integrity.checkpoints set written_at = '2200-01-01' where number = 2 returning 'checkpoint/2'`,
    [['checkpoints', 'checkpoint_ahead_of_time']],
  ),
  toNamed(
    'a deleted checkpoint',
    `delete from integrity.checkpoints where number = 1 returning 'checkpoint/1'`,
    [['checkpoints', 'missing_checkpoint']],
  ),
  toNamed(
    'the last checkpoint deleted',
    `delete from integrity.checkpoints where number = 2 returning 'checkpoint/2'`,
    [['checkpoints', 'missing_checkpoint']],
  ),
  {
    title: 'two checkpoints in each other’s place',
    async inflict(run) {
      for (const [from, to] of [
        [1, 3],
        [2, 1],
        [3, 2],
      ])
        await run('update integrity.checkpoints set number = $2 where number = $1 returning 1', from, to);
      return [1, 2].map((number) => ({
        check: 'checkpoints',
        kind: 'misplaced_checkpoint',
        subject: `checkpoint/${number}`,
      }));
    },
  },
  toNamed(
    'a changed standing of a log at a checkpoint',
    `update integrity.checkpoint_logs set chain = sha256(chain)
     where number = 1 and topic = 'ledger' and partition = 2 returning 'checkpoint/1'`,
    [['checkpoints', 'wrong_checkpoint_root']],
  ),
  toNamed(
    'a deleted standing of a log at a checkpoint',
    `delete from integrity.checkpoint_logs where number = 1 and topic = 'ledger' and partition = 2
     returning 'checkpoint/1'`,
    [['checkpoints', 'wrong_checkpoint_root']],
  ),
  toNamed(
    'a standing of a log that is none',
    `insert into integrity.checkpoint_logs
     select number, 'payment', partition, from_position, position, chain, verified, batches, root
     from integrity.checkpoint_logs where number = 1 limit 1 returning 'checkpoint/1'`,
    [['checkpoints', 'stray_standing']],
  ),
  toNamed(
    'a standing of a partition that is none',
    `insert into integrity.checkpoint_logs
     select number, topic, 99, from_position, position, chain, verified, batches, root
     from integrity.checkpoint_logs where number = 2 limit 1 returning 'checkpoint/2'`,
    [['checkpoints', 'stray_standing']],
  ),
  toNamed(
    'a standing from before the first checkpoint',
    `insert into integrity.checkpoint_logs
     select 0, topic, partition, from_position, position, chain, verified, batches, root
     from integrity.checkpoint_logs where number = 1 limit 1 returning 'checkpoint/0'`,
    [['checkpoints', 'stray_standing']],
  ),
  toNamed(
    'a standing of a log without batches',
    `insert into integrity.checkpoint_logs
     select 2, topic, partition, 0, 5, chain, 0, 1, root from integrity.checkpoint_logs
     where topic = 'cards' and number = 1 limit 1 returning 'checkpoint/2'`,
    [['checkpoints', 'wrong_checkpoint_root']],
  ),
  toNamed(
    'a checkpoint of a key that is not there',
    `with gone as (delete from integrity.signing_keys returning kid) select 'checkpoint/1' from gone`,
    [['checkpoints', 'unknown_key']],
  ),
  toNamed(
    'another public key under the name of the one that signed',
    `update integrity.signing_keys set public_key = sha256(public_key) returning 'signing_key/' || kid`,
    [['checkpoints', 'wrong_key_name']],
  ),
  toNamed(
    'checkpoints of another installation',
    `update integrity.installation_ids set id = gen_random_uuid() returning 'checkpoint/1'`,
    [['checkpoints', 'foreign_checkpoint']],
  ),
];
