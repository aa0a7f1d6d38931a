/** What can be done to gateway payments and refunds, on the installation of paid-through-gateways.ts; see damages.ts. */
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import { type Damage, type ExpectedFinding, type Run, toNamed } from './damage.ts';

/** The uuid of a payment, or a refund, of that status; always the same one. */
function payment(status: string): string {
  return `(select id from payments.payments where status = '${status}' and method = 'gateway' order by id limit 1)`;
}

function refund(status: string): string {
  return `(select id from payments.refunds where status = '${status}' order by id limit 1)`;
}

/** The subject of the first event of that type. */
function told(topic: string, type: string): string {
  return `(select subject from "${topic}".events where type = '${type}' order by subject limit 1)`;
}

/** A damage whose statement returns a uuid. */
function toOne(
  prefix: 'pay' | 'ref',
  title: string,
  sql: string,
  found: readonly (readonly [check: string, kind: string])[],
): Damage {
  return {
    title,
    async inflict(run): Promise<ExpectedFinding[]> {
      const subject = idOf(prefix, await run(sql));
      return found.map(([check, kind]) => ({ check, kind, subject }));
    },
  };
}

const TO_EVENTS: readonly Damage[] = [
  toNamed(
    'an approval that is gone',
    `delete from providers.events where type = 'provider.approved' and subject = ${told('providers', 'provider.exhausted')}
       or type = 'provider.declined' returning subject`,
    [['sagas', 'event_out_of_line']],
  ),
  toNamed(
    'an approval of another amount',
    `update providers.events set data = replace(data, '"amount":100', '"amount":1')
     where subject = ${told('providers', 'provider.cancelled')} or (type = 'provider.approved' and subject = ${told('providers', 'provider.approved')})
     returning subject`,
    [['sagas', 'mismatched_terms']],
  ),
  toNamed(
    'a word of a provider that nobody asked for',
    `update providers.events set causation = 'payments/0/1' where subject = ${told('providers', 'provider.exhausted')}
       and type = 'provider.exhausted' returning subject`,
    [['sagas', 'event_out_of_line']],
  ),
  toNamed(
    'a decision that is gone after its provider spoke',
    `delete from "authorization".events where type = 'payment.declined' and causation like 'providers/%' returning subject`,
    [
      ['sagas', 'missing_stage'],
      ['sagas', 'event_out_of_line'],
    ],
  ),
  toNamed(
    'a refund that is given back to another wallet',
    `update "authorization".events set data = replace(data, '"wallet_id":"wallet"', '"wallet_id":"mallory"')
     where type = 'refund.completed' and subject = ${told('authorization', 'refund.completed')} returning subject`,
    [['sagas', 'mismatched_terms']],
  ),
  toNamed(
    'a refund of another payment',
    `update "authorization".events set data = regexp_replace(data, '"payment_id":"pay_.', '"payment_id":"pay_7')
     where type = 'refund.authorized' and subject = ${told('authorization', 'refund.completed')} returning subject`,
    [['sagas', 'mismatched_terms']],
  ),
  toNamed(
    'a reversal that is gone',
    `delete from ledger.events where type = 'entry.posted' and data like '%"purpose":"reversal"%' returning subject`,
    [['sagas', 'event_out_of_line']],
  ),
];

const TO_HOLDS_AND_SAGAS: readonly Damage[] = [
  toOne(
    'pay',
    'a hold released although its charge is in doubt',
    `update ledger.holds set state = 'released', closed_at = now() where id = ${payment('reconciliation_required')} returning id`,
    [['holds', 'different_hold']],
  ),
  toOne(
    'ref',
    'a refund’s hold that is gone',
    `delete from ledger.holds where id = ${refund('completed')} returning id`,
    [['holds', 'missing_hold']],
  ),
  toOne(
    'ref',
    'a refund under way that keeps no wallet open any more',
    `delete from ledger.awaited where hold_id = ${refund('reconciliation_required')} returning hold_id`,
    [['holds', 'missing_awaited_refund']],
  ),
  toOne(
    'pay',
    'the hold of a payment that was called off, opened again',
    `update ledger.holds set state = 'open', closed_at = null where id = ${payment('cancelled')} returning id`,
    [['holds', 'different_hold']],
  ),
  toNamed(
    'what a refund holds of the service, taken off its balance',
    `update ledger.balances set held = held - 20 where account_key = (select key from ledger.accounts where id = 'service')
     returning 'acme/service'`,
    [['accounts', 'different_balance']],
  ),
  toOne(
    'pay',
    'a saga that would go on by another definition',
    `update "authorization".sagas set definition = 'payment.balance/1' where payment_id = ${payment('reconciliation_required')} returning payment_id`,
    [['sagas', 'different_saga']],
  ),
  toOne(
    'pay',
    'a saga that forgot that a person is asked',
    `update "authorization".sagas set state = 'authorized' where payment_id = ${payment('reconciliation_required')} returning payment_id`,
    [['sagas', 'different_saga']],
  ),
];

const TO_READ_MODELS: readonly Damage[] = [
  toOne(
    'pay',
    'a compensated payment that shows as completed',
    `update payments.payments set status = 'completed', failure_code = null, failure_detail = null
     where id = ${payment('compensated')} returning id`,
    [['payments', 'different_payment']],
  ),
  toOne(
    'pay',
    'a payment struck off the list of those that wait for a person',
    'delete from payments.reconciliations where payment_id = (select min(payment_id::text)::uuid from payments.reconciliations) returning payment_id',
    [['payments', 'missing_reconciliation']],
  ),
  toOne(
    'pay',
    'a payment on that list that waits for nobody',
    `insert into payments.reconciliations select tenant, id from payments.payments where id = ${payment('completed')} returning payment_id`,
    [['payments', 'extra_reconciliation']],
  ),
  toOne(
    'ref',
    'a refund of another amount',
    `update payments.refunds set amount = amount + 1 where id = ${refund('completed')} returning id`,
    [['refunds', 'different_refund']],
  ),
  toOne(
    'ref',
    'a refund in doubt that shows as failed',
    `update payments.refunds set status = 'failed' where id = ${refund('reconciliation_required')} returning id`,
    [['refunds', 'different_refund']],
  ),
  toOne(
    'ref',
    'a refund that is gone',
    `delete from payments.refunds where id = ${refund('declined')} returning id`,
    [['refunds', 'missing_refund']],
  ),
  toOne(
    'ref',
    'a refund that nobody asked for',
    `insert into payments.refunds (tenant, id, payment_id, amount, currency, status, correlation_id, created_at, updated_at)
     select tenant, gen_random_uuid(), payment_id, 1, currency, 'pending', correlation_id, created_at, updated_at
     from payments.refunds limit 1 returning id`,
    [['refunds', 'extra_refund']],
  ),
  toOne(
    'pay',
    'more left to be given back than there is',
    'update payments.refund_totals set promised = promised - 1, refunded = least(refunded, promised - 1) where promised > 0 returning payment_id',
    [['refunds', 'different_refund_totals']],
  ),
  toOne(
    'pay',
    'a payment to be undone, as nobody has asked',
    `update payments.refund_totals set undo_requested_at = now() where ctid = (select ctid from payments.refund_totals where undo_requested_at is null and promised > 0 limit 1)
     returning payment_id`,
    [['refunds', 'different_undo_request']],
  ),
  toOne(
    'pay',
    'a payment that a person wanted undone, and no longer',
    `update payments.refund_totals set undo_requested_at = null where ctid = (select ctid from payments.refund_totals where undo_requested_at is not null limit 1)
     returning payment_id`,
    [['refunds', 'different_undo_request']],
  ),
  toOne(
    'pay',
    'totals of refunds that are gone',
    'delete from payments.refund_totals where payment_id = (select payment_id from payments.refunds limit 1) returning payment_id',
    [['refunds', 'missing_refund_totals']],
  ),
  toOne(
    'pay',
    'totals of a payment of which nothing is given back',
    `insert into payments.refund_totals (tenant, payment_id, captured, promised, refunded)
     select tenant, id, amount, 1, 0 from payments.payments where id = ${payment('declined')} returning payment_id`,
    [['refunds', 'extra_refund_totals']],
  ),
  toNamed(
    'a notification that corrects nothing any more',
    `update notification.notifications set payload = replace(payload, '"corrects":"payment.completed",', '')
     where payload like '%"corrects"%' returning subject`,
    [['notifications', 'different_notification']],
  ),
  toNamed(
    'a verdict of a refund that is gone',
    `delete from integrity.verdicts where subject = ${told('authorization', 'refund.completed')} returning subject`,
    [['verdicts', 'missing_verdict']],
  ),
  toNamed(
    'a verdict of what is not over',
    `insert into integrity.verdicts select subject, tenant, 'complete', '[]', '[]', now() from integrity.followed
     limit 1 returning subject`,
    [['verdicts', 'extra_verdict']],
  ),
];

/** The payment whose provider has said nothing yet. */
const CHARGING = `(select subject from providers.attempts where kind = 'charge' and state = 'pending' and not told_unresolved)`;

/** A payment that keeps its charge. */
const KEPT = `(select a.subject from providers.attempts a where a.state = 'approved' and not exists (
  select from providers.attempts b where b.subject = a.subject and b.kind = 'refund') order by a.subject limit 1)`;

interface ForgedAttempt {
  readonly subject: string;
  readonly kind: 'charge' | 'refund';
  readonly number: number;
  readonly purpose: string;
}

/** One more attempt that is due, made of the subject's charge, with the id that it must have. */
async function forgeAttempt(run: Run, { subject, kind, number, purpose }: ForgedAttempt): Promise<void> {
  await run(
    `insert into providers.attempts
     select (jsonb_populate_record(a, jsonb_build_object(
       'id', $2::text, 'kind', $3::text, 'number', $4::integer, 'purpose', $5::text, 'state', 'waiting', 'due_at', now(),
       'told_unresolved', false, 'provider_reference', null, 'charge_id', case $3 when 'refund' then a.id end))).*
     from providers.attempts a where subject = $1 and kind = 'charge' order by number desc limit 1 returning id`,
    subject,
    derivedUuid('attempt', subject, kind, String(number)),
    kind,
    number,
    purpose,
  );
}

function toForged(title: string, of: string, forged: Omit<ForgedAttempt, 'subject'>): Damage {
  return {
    title,
    async inflict(run) {
      const subject = await run(`select ${of}`);
      await forgeAttempt(run, { subject, ...forged });
      return [{ check: 'attempts', kind: 'different_attempt', subject }];
    },
  };
}

const TO_ATTEMPTS: readonly Damage[] = [
  toForged('a second charge beside the one under way', CHARGING, {
    kind: 'charge',
    number: 2,
    purpose: 'payment',
  }),
  toForged('a compensation that nobody asked for', KEPT, {
    kind: 'refund',
    number: 1,
    purpose: 'compensation',
  }),
  toForged('a charge given back that its payment wanted', KEPT, {
    kind: 'refund',
    number: 1,
    purpose: 'unexpected',
  }),
  toNamed(
    'a refund that was refused, and is due again',
    `update providers.attempts set due_at = now() where kind = 'refund' and state = 'refused' and number = 1
       and subject = ${told('authorization', 'refund.failed')} returning subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a closed charge that is gone',
    `delete from providers.attempts a where kind = 'charge' and number = 1 and state = 'closed' and exists (
       select from providers.attempts b where b.subject = a.subject and b.kind = 'charge' and b.number = 2) returning subject`,
    [['attempts', 'missing_attempt']],
  ),
  toNamed(
    'an attempt that is gone',
    `delete from providers.attempts where state = 'approved' and subject = ${told('providers', 'provider.approved')} returning subject`,
    [['attempts', 'missing_attempt']],
  ),
  toNamed(
    'a charge that is not to be known any more',
    `update providers.attempts set state = 'declined' where state = 'approved' and subject = ${told('providers', 'provider.approved')}
     returning subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a charge of another amount',
    `update providers.attempts set amount = amount - 1 where state = 'approved' and subject = ${told('providers', 'provider.approved')}
     returning subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a charge that its provider calls otherwise',
    `update providers.attempts set provider_reference = 'ch_0' where state = 'approved' and subject = ${told('providers', 'provider.approved')}
     returning subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a refund that a provider is said to have made',
    `update providers.attempts set state = 'refunded' where state = 'refused' and subject = ${told('authorization', 'refund.failed')}
     returning subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a charge under way that is gone',
    `delete from providers.attempts where subject = ${CHARGING} returning subject`,
    [['attempts', 'missing_attempt']],
  ),
  toNamed(
    'a refund under way that is gone',
    `delete from providers.attempts where kind = 'refund' and state = 'pending' and not told_unresolved returning subject`,
    [['attempts', 'missing_attempt']],
  ),
  toNamed(
    'a charge under way that stands for less',
    `update providers.attempts set amount = 1 where subject = ${CHARGING} returning subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a charge under way where nobody works on it',
    `update providers.attempts set partition = partition + 1 where subject = ${CHARGING} returning subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a charge that is made a refund',
    `update providers.attempts set kind = 'refund' where subject = ${CHARGING} returning subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a charge for another purpose',
    `update providers.attempts set purpose = 'compensation' where state = 'approved' and subject = ${told('providers', 'provider.approved')}
     returning subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a refund of the charge of another payment',
    `update providers.attempts a set charge_id = (
       select c.id from providers.attempts c where c.kind = 'charge' and c.id <> a.charge_id and c.state = 'approved' order by c.id limit 1)
     where a.kind = 'refund' and a.state = 'pending' and not a.told_unresolved returning a.subject`,
    [['attempts', 'different_attempt']],
  ),
  toNamed(
    'a charge under way that is never due',
    `update providers.attempts set due_at = null where subject = ${CHARGING} returning subject`,
    [['attempts', 'stalled_attempt']],
  ),
  toNamed(
    'a charge under way that is due in another century',
    `update providers.attempts set due_at = '2200-01-01' where subject = ${CHARGING} returning subject`,
    [['attempts', 'stalled_attempt']],
  ),
  toNamed(
    'a charge under way whose time is never over',
    `update providers.attempts set deadline_at = 'infinity' where subject = ${CHARGING} returning subject`,
    [['attempts', 'stalled_attempt']],
  ),
  toNamed(
    'an attempt for nobody',
    `update providers.attempts set subject = 'pay_7zzzzzzzzzzzzzzzzzzzzzzzzz' where kind = 'charge'
       and subject = ${told('providers', 'provider.declined')} returning subject`,
    [['attempts', 'extra_attempt']],
  ),
];

export const DAMAGES_TO_GATEWAYS: readonly Damage[] = [
  ...TO_EVENTS,
  ...TO_HOLDS_AND_SAGAS,
  ...TO_ATTEMPTS,
  ...TO_READ_MODELS,
];
