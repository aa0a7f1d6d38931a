/**
 * What an owner of the database can do to it behind the program's back, each on a small paid installation
 * (paid-installation.ts). A damage says what a proof must find: which check, what kind, and about what.
 */
import { idOf } from '#kernel/ids.ts';
import { type Damage, some, toNamed, toOne } from './damage.ts';
import { TO_CHECKPOINTS } from './damages-to-checkpoints.ts';
import { TO_LOGS } from './damages-to-logs.ts';
import { TO_REFERENCES } from './damages-to-references.ts';

/** The subject (`pay_…`) of that payment, as the verdicts and notifications have it. */
function someSubject(ending: string): string {
  return `(select subject from notification.notifications where type = '${ending}' order by subject offset 1 limit 1)`;
}

const WALLET = `(select key from ledger.accounts where id = 'wallet')`;
const SERVICE = `(select key from ledger.accounts where id = 'service')`;

const TO_EVENTS: readonly Damage[] = [
  toNamed(
    'a deleted event',
    `delete from "authorization".events where (partition, position) in (
       select partition, position from "authorization".events where type = 'payment.completed' limit 1)
     returning format('authorization/%s/%s', partition, position)`,
    [['log', 'missing_event']],
  ),
  {
    title: 'a deleted event, seen from its payment',
    async inflict(run) {
      const subject = await run(
        `delete from "authorization".events where (partition, position) in (
           select partition, position from "authorization".events where type = 'payment.completed' limit 1)
         returning subject`,
      );
      return [
        { check: 'sagas', kind: 'missing_stage', subject },
        { check: 'sagas', kind: 'event_out_of_line', subject },
      ];
    },
  },
  {
    title: 'two swapped events',
    async inflict(run) {
      const place = await run(
        `select format('%s/%s', b.partition, b.first) from ledger.batches b where b.count = 1 and exists (
           select from ledger.batches c where c.partition = b.partition and c.first = b.first + 1) limit 1`,
      );
      const [partition, first] = place.split('/').map(Number) as [number, number];
      const move =
        'update ledger.events set position = $3 where partition = $1 and position = $2 returning 1';
      await run(move, partition, first, 4_000_000);
      await run(move, partition, first + 1, first);
      await run(move, partition, 4_000_000, first + 1);
      return [first, first + 1].map((position) => ({
        check: 'log',
        kind: 'wrong_root',
        subject: `ledger/${partition}/${position}`,
      }));
    },
  },
  toNamed(
    'edited event data, seen from the log',
    `update payments.events e set data = replace(data, '"amount":1', '"amount":2')
     from payments.batches b
     where b.partition = e.partition and e.position between b.first and b.first + b.count - 1
       and e.subject = ${someSubject('payment.completed')}
     returning format('payments/%s/%s', b.partition, b.first)`,
    [['log', 'wrong_root']],
  ),
  toNamed(
    'edited event data, seen from its payment',
    `update validation.events set data = replace(data, '"amount":1', '"amount":2')
     where subject = ${someSubject('payment.completed')} returning subject`,
    [['sagas', 'mismatched_terms']],
  ),
  toNamed(
    'event data that is no longer JSON',
    `update ledger.events set data = '{' where subject = ${someSubject('payment.completed')} returning subject`,
    [['sagas', 'unreadable_event']],
  ),
  toNamed(
    'an event moved by a microsecond',
    `update validation.events e set occurred_at = occurred_at + interval '1 microsecond'
     from validation.batches b
     where b.partition = e.partition and e.position between b.first and b.first + b.count - 1
       and e.subject = ${someSubject('payment.rejected')}
     returning format('validation/%s/%s', b.partition, b.first)`,
    [['log', 'wrong_root']],
  ),
  toNamed(
    'an edited causation',
    `update "authorization".events set causation = 'ledger/0/1'
     where subject = ${someSubject('payment.completed')} and type = 'payment.completed' returning subject`,
    [['sagas', 'event_out_of_line']],
  ),
  toNamed(
    'an extra event without a batch',
    `insert into payments.events
     select e.partition, h.position + 1, type, version, subject, tenant, key, data, occurred_at, correlation_id,
            causation, traceparent
     from payments.events e join log.heads h on h.topic = 'payments' and h.partition = e.partition
     limit 1 returning format('payments/%s/%s', partition, position)`,
    [['log', 'event_beyond_head']],
  ),
  toNamed(
    'an event in a partition that is none',
    `insert into payments.events
     select 99, 1, type, version, subject, tenant, key, data, occurred_at, correlation_id, causation, traceparent
     from payments.events limit 1 returning 'payments/99/1'`,
    [['log', 'stray_event']],
  ),
];

const TO_THE_BOOKS: readonly Damage[] = [
  toNamed(
    'a changed posting amount',
    `update ledger.postings set amount = amount + 1 where account_key = ${WALLET} and sequence = 3
     returning 'acme/wallet#3'`,
    [
      ['postings', 'wrong_running_sum'],
      ['entries', 'different_posting'],
    ],
  ),
  toNamed(
    'a deleted posting',
    `delete from ledger.postings where account_key = ${WALLET} and sequence = 3 returning 'acme/wallet#3'`,
    [['entries', 'missing_posting']],
  ),
  toNamed(
    'a posting moved back in time',
    `update ledger.postings set posted_at = posted_at - interval '1 minute'
     where account_key = ${WALLET} and sequence = 5 returning 'acme/wallet#5'`,
    [
      ['postings', 'sequence_gap'],
      ['entries', 'missing_posting'],
    ],
  ),
  toNamed(
    'an edited balance',
    `update ledger.balances set posted = posted + 1 where account_key = ${SERVICE} returning 'acme/service'`,
    [
      ['accounts', 'different_balance'],
      ['accounts', 'different_last_posting'],
    ],
  ),
  toNamed(
    'a balance that does not sum to zero with the others',
    `update ledger.balances set posted = posted + 1 where account_key = ${SERVICE} returning 'USD'`,
    [['currencies', 'currency_not_zero']],
  ),
  toNamed(
    'an edited amount held',
    `update ledger.balances set held = held + 1 where account_key = ${WALLET} returning 'acme/wallet'`,
    [['accounts', 'different_balance']],
  ),
  toNamed(
    'an account closed in the table alone',
    `update ledger.balances set status = 'closed' where account_key = ${SERVICE} returning 'acme/service'`,
    [['accounts', 'different_balance']],
  ),
  toNamed(
    'a floor raised above what is available',
    `update ledger.accounts set floor = 99999999 where id = 'wallet' returning 'acme/wallet'`,
    [
      ['accounts', 'below_floor'],
      ['accounts', 'different_account'],
    ],
  ),
  toNamed(
    'a floor taken away',
    `update ledger.accounts set floor = null where id = 'wallet' returning 'acme/wallet'`,
    [['accounts', 'different_account']],
  ),
  toNamed(
    'a time zone that is none',
    `update ledger.accounts set time_zone = 'nowhere' where id = 'wallet' returning 'acme/wallet'`,
    [['accounts', 'different_account']],
  ),
  toNamed('a deleted account', `delete from ledger.accounts where id = 'closing' returning 'acme/closing'`, [
    ['accounts', 'missing_account'],
  ]),
  toNamed(
    'a deleted balance',
    `delete from ledger.balances where account_key = ${SERVICE} returning 'acme/service'`,
    [['accounts', 'missing_balance']],
  ),
  toNamed(
    'an account that no event opened',
    `insert into ledger.accounts (key, tenant, id, kind, currency, time_zone, opened_at)
     values (nextval('ledger.account_keys'), 'acme', 'smuggled', 'external', 'USD', 'UTC', now())
     returning 'acme/smuggled'`,
    [
      ['accounts', 'extra_account'],
      ['accounts', 'missing_balance'],
    ],
  ),
  toOne('jen', 'a deleted entry', `delete from ledger.entries where id = ${some('completed')} returning id`, [
    ['entries', 'missing_entry'],
  ]),
  toOne(
    'jen',
    'an edited entry',
    `update ledger.entries set description = 'a gift' where id = ${some('completed')} returning id`,
    [['entries', 'different_entry']],
  ),
  {
    title: 'an extra entry, its postings and balances in order',
    async inflict(run) {
      const id = await run(`insert into ledger.entries (id, tenant, cause, purpose, posted_at)
        select v, 'acme', v, 'manual', now() from gen_random_uuid() v returning id`);
      for (const [key, amount] of [
        [WALLET, -5],
        [SERVICE, 5],
      ] as const) {
        await run(
          `with moved as (
             update ledger.balances set posted = posted + $2, sequence = sequence + 1, last_posted_at = now()
             where account_key = ${key} returning *)
           insert into ledger.postings (account_key, posted_at, sequence, entry_id, amount, posted_after)
           select account_key, last_posted_at, sequence, $1::uuid, $2, posted from moved returning 1`,
          id,
          amount,
        );
      }
      return [
        { check: 'entries', kind: 'extra_entry', subject: idOf('jen', id) },
        { check: 'accounts', kind: 'different_balance', subject: 'acme/wallet' },
        { check: 'accounts', kind: 'different_balance', subject: 'acme/service' },
      ];
    },
  },
  toOne(
    'jen',
    'an invented counter-entry of a payment',
    `insert into ledger.entries (id, tenant, cause, purpose, posted_at)
     select gen_random_uuid(), tenant, cause, 'reversal', posted_at from ledger.entries where purpose = 'payment' limit 1
     returning id`,
    [['entries', 'extra_entry']],
  ),
  {
    title: 'an unbalanced entry in the tables alone',
    async inflict(run) {
      const id = await run(
        `with entry as (
           insert into ledger.entries (id, tenant, cause, purpose, posted_at)
           select v, 'acme', v, 'manual', now() from gen_random_uuid() v returning id
         ), moved as (
           update ledger.balances set posted = posted + 5, sequence = sequence + 1, last_posted_at = now()
           where account_key = ${SERVICE} returning *
         ), posting as (
           insert into ledger.postings (account_key, posted_at, sequence, entry_id, amount, posted_after)
           select account_key, last_posted_at, sequence, id, 5, posted from moved, entry
         )
         select id from entry`,
      );
      return [
        { check: 'entries', kind: 'extra_entry', subject: idOf('jen', id) },
        { check: 'currencies', kind: 'currency_not_zero', subject: 'USD' },
      ];
    },
  },
  {
    title: 'an unbalanced entry, in the log as well',
    async inflict(run) {
      const subject = await run(
        `update ledger.events set data = replace(data, '"direction":"debit","amount":25', '"direction":"debit","amount":24')
         where subject like 'jen_%' and data like '%"direction":"debit","amount":25%' returning subject`,
      );
      return [{ check: 'entries', kind: 'unbalanced_entry', subject }];
    },
  },
];

const TO_PAYMENTS: readonly Damage[] = [
  toOne('pay', 'a removed hold', `delete from ledger.holds where id = ${some('completed')} returning id`, [
    ['holds', 'missing_hold'],
  ]),
  toOne(
    'pay',
    'a hold opened again',
    `update ledger.holds set state = 'open', closed_at = null where id = ${some('completed')} returning id`,
    [['holds', 'different_hold']],
  ),
  toOne(
    'pay',
    'a hold that no saga placed',
    `insert into ledger.holds (id, account_key, amount, state, opened_at)
     select gen_random_uuid(), ${WALLET}, 5, 'open', now() returning id`,
    [['holds', 'extra_hold']],
  ),
  toOne(
    'pay',
    'a forged status',
    `update payments.payments set status = 'completed', failure_code = null, failure_detail = null
     where id = ${some('declined')} returning id`,
    [['payments', 'different_payment']],
  ),
  toOne(
    'pay',
    'a status that claims to have been said later than all that is to come',
    `update payments.payments set status_position = status_position + 1000 where id = ${some('completed')} returning id`,
    [['payments', 'different_payment']],
  ),
  toOne(
    'pay',
    'an edited amount of a payment',
    `update payments.payments set amount = amount + 1 where id = ${some('completed')} returning id`,
    [['payments', 'different_payment']],
  ),
  toOne(
    'pay',
    'a deleted payment',
    `delete from payments.payments where id = ${some('completed')} returning id`,
    [['payments', 'missing_payment']],
  ),
  toOne(
    'pay',
    'a payment that was never asked for',
    `insert into payments.payments
     select tenant, gen_random_uuid(), wallet_id, service_id, amount, currency, method, reference, description, metadata,
            status, failure_code, failure_detail, correlation_id, created_at, updated_at
     from payments.payments where status = 'completed' limit 1 returning id`,
    [['payments', 'extra_payment']],
  ),
  toOne(
    'pay',
    "an edited state of the coordinator's saga",
    `update "authorization".sagas set state = 'failed' where payment_id = ${some('completed')} returning payment_id`,
    [['sagas', 'different_saga']],
  ),
  toNamed(
    'a forged verdict',
    `update integrity.verdicts set verdict = 'broken' where subject = ${someSubject('payment.completed')}
     returning subject`,
    [['verdicts', 'different_verdict']],
  ),
  toNamed(
    'a verdict with another path',
    `update integrity.verdicts set stages = '[]' where subject = ${someSubject('payment.completed')} returning subject`,
    [['verdicts', 'different_verdict']],
  ),
  toNamed(
    'a verdict that tells of what was no incident',
    `update integrity.verdicts set findings = findings || 'x' where subject = ${someSubject('payment.completed')} returning subject`,
    [['verdicts', 'different_verdict']],
  ),
  toNamed(
    'a deleted verdict',
    `delete from integrity.verdicts where subject = ${someSubject('payment.declined')} returning subject`,
    [['verdicts', 'missing_verdict']],
  ),
  toNamed(
    'a verdict about nothing',
    `insert into integrity.verdicts select 'pay_nothing', tenant, verdict, stages, findings, verified_at
     from integrity.verdicts limit 1 returning subject`,
    [['verdicts', 'extra_verdict']],
  ),
  toNamed(
    'a deleted notification',
    `delete from notification.notifications where subject = ${someSubject('payment.failed')} returning subject`,
    [['notifications', 'missing_notification']],
  ),
  toNamed(
    'an edited notification',
    `update notification.notifications set payload = replace(payload, '"amount":1', '"amount":9')
     where subject = ${someSubject('payment.completed')} returning subject`,
    [['notifications', 'different_notification']],
  ),
  toNamed(
    'a second notification',
    `insert into notification.notifications select subject, 'payment.failed', id, tenant, payload, created_at
     from notification.notifications where subject = ${someSubject('payment.completed')} returning subject`,
    [['notifications', 'extra_notification']],
  ),
];

export const DAMAGES: readonly Damage[] = [
  ...TO_CHECKPOINTS,
  ...TO_EVENTS,
  ...TO_LOGS,
  ...TO_THE_BOOKS,
  ...TO_PAYMENTS,
  ...TO_REFERENCES,
];
