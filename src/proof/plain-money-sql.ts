/**
 * Statements that add up what plain payments have moved and held, a page of one partition in one: events whose whole text
 * is what a payment from the balance makes of the parts read out of it, and whose entry and postings stand in the tables
 * as told. They only accept; the positions of all other events come out beside the sums.
 *
 * S1: the text is split at its quotes, and compared whole with what is again made of the parts. So nothing that JSON reads
 *     otherwise can hide in between, and no part has a quote.
 * S2: a part is converted only if it is what the conversion takes.
 */
import { AUDITED_ACCOUNT_KEYS, AUDITED_ENTRIES, AUDITED_POSTINGS } from '#services/ledger/contract.ts';
import { areNumbers, areUnescaped, instantText } from './plain-texts.ts';

/** By primary key. */
function page(topic: 'ledger' | '"authorization"'): string {
  return `select e.position, e.type, e.subject, e.tenant, e.data, e.occurred_at from ${topic}.events e
    where e.partition = $1 and e.position > $2 and e.position <= $3 and e.type = any ($4)`;
}

/** The part of a text behind so many quotes less one. */
function part(text: string, index: number): string {
  return `split_part(${text}, '"', ${index})`;
}

/** Of parts such as `:12,`. */
function digitsOf(text: string, index: number): string {
  return `btrim(${part(text, index)}, ':,')`;
}

const SEPARATOR = '},{"account_id":"';

/** What the text tells of the two accounts, and of the amount between them. */
const ENTRY_PARTS = `
  select begun.text as begun, ${part('half.payer', 1)} as payer, ${digitsOf('half.payer', 8)} as amount,
         ${part('half.payer', 11)} as currency, ${digitsOf('half.payer', 14)} as payer_place,
         ${digitsOf('half.payer', 16)} as payer_after, ${part('half.payee', 1)} as payee,
         ${digitsOf('half.payee', 14)} as payee_place, ${digitsOf('half.payee', 16)} as payee_after,
         '"posted_at":"' || ${instantText('event.occurred_at')} || '"' as posted_at
  from (select '{"entry_id":"jen_' || substr(event.subject, 5) || '","cause":"' || event.subject
                 || '","purpose":"payment","postings":[{"account_id":"' as text offset 0) begun,
       lateral (select split_part(event.data, begun.text, 2) as text offset 0) rest,
       lateral (select split_part(rest.text, '${SEPARATOR}', 1) as payer,
                       split_part(rest.text, '${SEPARATOR}', 2) as payee offset 0) half
  offset 0`;

function posting(party: 'payer' | 'payee', direction: 'debit' | 'credit'): string {
  return `told.${party} || '","direction":"${direction}","amount":' || told.amount || ',"currency":"' || told.currency
    || '","sequence":' || told.${party}_place || ',"posted_after":' || told.${party}_after || ',' || told.posted_at`;
}

/** S2 */
const ENTRY_VALUES = `
  select told.amount::bigint as amount, told.payer_place::bigint as payer_place,
         told.payer_after::bigint as payer_after, told.payee_place::bigint as payee_place,
         told.payee_after::bigint as payee_after
  where event.type = 'entry.posted' and starts_with(event.subject, 'pay_') and event.occurred_at = event.occurred_at::timestamptz(3)
    and event.data = told.begun || ${posting('payer', 'debit')} || '${SEPARATOR}' || ${posting('payee', 'credit')} || '}]}'
    and ${areNumbers([
      ['told.amount', 'amount'],
      ['told.payer_place', 'count'],
      ['told.payer_after', 'signed'],
      ['told.payee_place', 'count'],
      ['told.payee_after', 'signed'],
    ])}
    and ${areUnescaped(['told.payer', 'told.payee', 'told.currency', 'event.subject'])}
  offset 0`;

function account(party: 'payer' | 'payee'): string {
  return `left join (${AUDITED_ACCOUNT_KEYS}) ${party} on ${party}.tenant = event.tenant and ${party}.id = told.${party}
  left join lateral (
    ${AUDITED_POSTINGS}
    where p.account_key = ${party}.key and p.posted_at = event.occurred_at and p.sequence = value.${party}_place
    offset 0
  ) ${party}_posting on true`;
}

/**
 * Entries of payments. Rows of sums have an account, a row of what is to be compared as ids has `uuids` and `suffixes` in
 * one order, all others have a position.
 */
export const ADD_UP_ENTRIES = `
  with judged as materialized (
    select event.position, substr(event.subject, 5) as suffix, value.amount, value.payer_place, value.payee_place,
           payer.key as payer_key, payee.key as payee_key, entry.id,
           (payer_posting.amount = -value.amount and payer_posting.posted_after = value.payer_after
            and payee_posting.amount = value.amount and payee_posting.posted_after = value.payee_after
            and payee_posting.entry_id = entry.id and entry.tenant = event.tenant and entry.cause = entry.id
            and entry.purpose = 'payment' and entry.posted_at = event.occurred_at and entry.description is null
            and entry.reference is null and entry.effective_on is null) is true as is_plain
    from (${page('ledger')}) event
    cross join lateral (${ENTRY_PARTS}) told
    left join lateral (${ENTRY_VALUES}) value on true
    ${account('payer')}
    ${account('payee')}
    left join lateral (
      ${AUDITED_ENTRIES} where e.id = payer_posting.entry_id offset 0
    ) entry on true
  ), moved as (
    select payer_key as key, -amount as posted, -amount as held, payer_place as place from judged where is_plain
    union all select payee_key, amount, 0, payee_place from judged where is_plain
  )
  select a.tenant, a.id as account, total.*, null::bigint as position, null::bytea as uuids, null as suffixes
  from (
    select key, sum(posted)::text as posted, sum(held)::text as held, count(*)::integer as postings,
           max(place)::float8 as place
    from moved group by key
  ) total
  join (${AUDITED_ACCOUNT_KEYS}) a on a.key = total.key
  union all select null, null, null, null, null, null, null, position, null, null from judged where not is_plain
  union all
  select null, null, null, null, null, null, null, null, string_agg(uuid_send(id), ''), string_agg(suffix, '')
  from judged where is_plain`;

const HOLD_TEXT = `'{"wallet_id":"' || told.wallet || '","service_id":"' || told.service || '","amount":' || told.amount
  || ',"currency":"' || told.currency || '","method":"balance","hold_id":"' || told.hold || '"}'`;

/** What payments from the balance have set aside, until their entries spend it. Rows as of the entries. */
export const ADD_UP_HOLDS = `
  with judged as materialized (
    select event.position, event.tenant, told.wallet,
           case when event.type = 'payment.authorized' and event.data = ${HOLD_TEXT}
                  and ${areNumbers([['told.amount', 'amount']])}
                  and ${areUnescaped(['told.wallet', 'told.service', 'told.currency', 'told.hold'])}
                then told.amount::bigint end as amount
    from (${page('"authorization"')}) event
    cross join lateral (
      select ${part('event.data', 4)} as wallet, ${part('event.data', 8)} as service,
             ${digitsOf('event.data', 11)} as amount, ${part('event.data', 14)} as currency,
             ${part('event.data', 22)} as hold
      offset 0
    ) told
  )
  select tenant, wallet as account, null::bigint as key, '0' as posted, sum(amount)::text as held,
         0 as postings, 0::float8 as place, null::bigint as position, null::bytea as uuids, null as suffixes
  from judged where amount is not null group by tenant, wallet
  union all
  select null, null, null, null, null, null, null, position, null, null from judged where amount is null`;
