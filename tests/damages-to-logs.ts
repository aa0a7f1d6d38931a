/** What can be done to batches, heads and positions, and to what groups have set aside; see damages.ts. */
import { idOf } from '#kernel/ids.ts';
import { type Damage, toNamed } from './damage.ts';

const TO_BATCHES: readonly Damage[] = [
  {
    title: 'a log cut off at its end, with the head put back',
    async inflict(run) {
      const place = await run(
        `select format('%s/%s', partition, max(first)) from payments.batches group by partition
         having count(*) > 1 limit 1`,
      );
      const [partition, first] = place.split('/').map(Number) as [number, number];
      const gone = idOf(
        'pay',
        await run(
          `select p.id from payments.payments p where p.correlation_id in (
             select correlation_id from payments.events where partition = $1 and position >= $2) limit 1`,
          partition,
          first,
        ),
      );
      await run(
        'delete from payments.events where partition = $1 and position >= $2 returning 1',
        partition,
        first,
      );
      await run(
        'delete from payments.batches where partition = $1 and first >= $2 returning 1',
        partition,
        first,
      );
      await run(
        `update log.heads h set position = b.first + b.count - 1, chain = b.chain
         from (select * from payments.batches where partition = $1 order by first desc limit 1) b
         where h.topic = 'payments' and h.partition = $1 returning 1`,
        partition,
      );
      return [
        { check: 'log', kind: 'truncated_log', subject: `payments/${partition}` },
        { check: 'payments', kind: 'extra_payment', subject: gone },
        { check: 'sagas', kind: 'missing_beginning', subject: gone },
      ];
    },
  },
  toNamed(
    'an edited chain value of a head',
    `update log.heads set chain = sha256(chain) where topic = 'ledger' and partition = 2 returning 'ledger/2'`,
    [['log', 'wrong_head_chain']],
  ),
  toNamed(
    'an edited root',
    `update payments.batches set root = sha256(root) where (partition, first) in (
       select partition, first from payments.batches limit 1) returning format('payments/%s/%s', partition, first)`,
    [
      ['log', 'wrong_root'],
      ['log', 'wrong_chain'],
    ],
  ),
  toNamed(
    'an edited chain value of a batch',
    `update payments.batches set chain = sha256(chain) where (partition, first) in (
       select partition, first from payments.batches limit 1) returning format('payments/%s/%s', partition, first)`,
    [['log', 'wrong_chain']],
  ),
  toNamed(
    'a deleted batch',
    `delete from notification.batches where (partition, first) in (
       select partition, first from notification.batches limit 1)
     returning format('notification/%s/%s', partition, first)`,
    [['log', 'missing_batch']],
  ),
  toNamed(
    'a batch that claims more than it has',
    `update validation.batches set count = count + 1 where (partition, first) in (
       select partition, max(first) from validation.batches group by partition limit 1)
     returning format('validation/%s/%s', partition, first)`,
    [['log', 'overlapping_batch']],
  ),
  toNamed(
    'a batch that counts more than any log has',
    `update validation.batches set count = 2000000000 where (partition, first) in (
       select partition, min(first) from validation.batches group by partition having count(*) > 1 order by partition limit 1)
     returning format('validation/%s/%s', partition, first)`,
    [['log', 'overlapping_batch']],
  ),
  toNamed(
    'a head moved to where no log ever comes',
    `with moved as (
       update log.heads h set position = 9223372036854775807
       from log.heads was where h.topic = 'authorization' and h.partition = 2
         and was.topic = h.topic and was.partition = h.partition
       returning was.position)
     select format('authorization/2/%s', position + 1) from moved`,
    [
      ['log', 'missing_event'],
      ['log', 'missing_batch'],
    ],
  ),
  toNamed(
    'a head moved ahead',
    `update log.heads set position = position + 1 where topic = 'payments' and partition = 2
     returning format('payments/2/%s', position)`,
    [
      ['log', 'missing_event'],
      ['log', 'missing_batch'],
    ],
  ),
  toNamed(
    'a position that no log has reached',
    `update log.positions set position = position + 1
     where consumer_group = 'ledger' and partition = 2 returning 'authorization/2'`,
    [['log', 'truncated_log']],
  ),
  toNamed(
    'a deleted position',
    `delete from log.positions where consumer_group = 'validation' and topic = 'payments' and partition = 1
     returning 'validation/payments/1'`,
    [['log', 'missing_position']],
  ),
  toNamed(
    'a deleted lease',
    `delete from log.leases where consumer_group = 'validation' and partition = 1 returning 'validation/1'`,
    [['log', 'missing_lease']],
  ),
  toNamed(
    'a deleted head',
    `delete from log.heads where topic = 'payments' and partition = 1 returning 'payments/1'`,
    [['log', 'missing_head']],
  ),
];

/** Rows where none may be. */
const BESIDE_THE_LOG: readonly Damage[] = [
  toNamed(
    'a batch beyond the head, with its chain value',
    `insert into payments.batches
     select partition, position + 1, 1, chain, chain from log.heads where topic = 'payments' and partition = 1
     returning format('payments/1/%s', first)`,
    [['log', 'batch_beyond_head']],
  ),
  toNamed(
    'a batch before the first position',
    `insert into payments.batches select 1, -9223372036854775808, 2000000000, chain, chain from payments.batches limit 1
     returning format('payments/1/%s', first)`,
    [['log', 'stray_batch']],
  ),
  toNamed(
    'a batch where no log ever comes',
    `insert into payments.batches select 1, 9223372036854775807, 2000000000, chain, chain from payments.batches limit 1
     returning format('payments/1/%s', first)`,
    [['log', 'batch_beyond_head']],
  ),
  toNamed(
    'a batch in a partition that is none',
    `insert into payments.batches select 99, 1, count, root, chain from payments.batches limit 1 returning 'payments/99/1'`,
    [['log', 'stray_batch']],
  ),
  toNamed(
    'a head of a partition that is none',
    `insert into log.heads select topic, 99, position, chain from log.heads where topic = 'payments' and partition = 1
     returning 'payments/99'`,
    [['log', 'stray_head']],
  ),
  toNamed(
    'a head of a log that is none',
    `insert into log.heads select 'payment', partition, position, chain from log.heads where topic = 'payments' and partition = 1
     returning 'payment/1'`,
    [['log', 'stray_head']],
  ),
  toNamed(
    'a position in a partition that is none',
    `insert into log.positions (consumer_group, topic, partition, position) values ('validation', 'payments', 99, 0)
     returning 'validation/payments/99'`,
    [['log', 'stray_position']],
  ),
];

/** What groups have set aside, with nobody to wait for. */
const TO_DEAD_LETTERS: readonly Damage[] = [
  toNamed(
    'a key parked behind a dead letter that is not there',
    `insert into log.parked_keys (consumer_group, partition, parking_key, dead_letter, topic, position, parked_at)
     select 'ledger', partition, tenant || '/' || subject, gen_random_uuid(), 'authorization', position, now()
     from "authorization".events limit 1 returning format('authorization/%s/%s', partition, position)`,
    [['log', 'parked_behind_nothing']],
  ),
  toNamed(
    'an event that waits for a key that is not parked',
    `insert into log.parked_events (consumer_group, partition, parking_key, topic, position, tenant, subject, type, version,
                                    correlation_id, parked_at)
     select 'ledger', partition, tenant || '/' || subject, 'authorization', position, tenant, subject, type, version,
            correlation_id, now()
     from "authorization".events limit 1 returning format('authorization/%s/%s', partition, position)`,
    [['log', 'waits_for_nothing']],
  ),
  toNamed(
    'an event that nobody had passed over',
    `insert into log.abandoned_events
     select 'ledger', 'authorization', partition, position, gen_random_uuid() from "authorization".events limit 1
     returning format('authorization/%s/%s', partition, position)`,
    [['log', 'abandoned_by_nobody']],
  ),
];

export const TO_LOGS: readonly Damage[] = [...TO_BATCHES, ...BESIDE_THE_LOG, ...TO_DEAD_LETTERS];
