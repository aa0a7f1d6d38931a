/**
 * One statement that tells which payments of a range are plain: paid from the balance, completed, and byte for byte what
 * such a payment leaves in the logs and in the tables. It only accepts; what it does not accept is judged event by event.
 *
 * S1: every row there is about a payment of the range is met: the joins are full, and what joins with no request is in the
 *     answer as not plain. So is a second row of anything: the verdict names each event by its place, so of several rows for
 *     one payment at most one is plain.
 * S2: texts are compared whole with what the row of the payment renders. No part of them is taken for what it says unless
 *     the whole is again made of it: so nothing that JSON reads otherwise can hide in between.
 * S3: what is rendered contains nothing that JSON would escape, and numbers as JSON renders them.
 */
import { type RangedRows, rowsBetween } from '#platform/postgres/ranges.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { definitionName } from '#sagas/saga.ts';
import {
  AUDITED_COMPENSATIONS,
  AUDITED_REFUND_SAGAS,
  AUDITED_SAGAS,
} from '#services/authorization/contract.ts';
import { AUDITED_VERDICTS } from '#services/integrity/contract.ts';
import { AUDITED_ENTRY_IDS, AUDITED_HOLDS } from '#services/ledger/contract.ts';
import { AUDITED_NOTIFICATIONS } from '#services/notification/contract.ts';
import { AUDITED_PAYMENTS, AUDITED_REFERENCES } from '#services/payments/contract.ts';
import { AUDITED_ATTEMPTS } from '#services/providers/contract.ts';
import { schemaOf } from './installation.ts';
import { SAGA_TOPICS, type SagaTopic } from './saga-timelines.ts';

/** Payments by suffix, uuid and the uuid and suffix of what is told of their completion; then the bounds of the range. */
const KEYS = `select 'pay_' || k.suffix as subject, k.* from
  unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[]) as k(suffix, id, told_id, told_suffix)`;
const BOUNDS = { pay: ['$5', '$6'], ref: ['$7', '$8'], uuid: ['$9', '$10'] } as const;

type Bounds = keyof typeof BOUNDS;

function within(rows: RangedRows, bounds: Bounds): string {
  const [after, upTo] = BOUNDS[bounds];
  return `(${rowsBetween(rows, after, upTo)})`;
}

function eventsOf(topic: SagaTopic, bounds: Bounds, only?: string): string {
  const rows: RangedRows = {
    select: `select e.partition, e.position, e.type, e.subject, e.tenant, e.data, e.occurred_at, e.causation, e.correlation_id
             from ${schemaOf(topic)}.events e`,
    by: 'e.subject',
    kind: 'text',
  };
  return within(only === undefined ? rows : { ...rows, only }, bounds);
}

const MOVED = `","amount":' || paid.amount || ',"currency":"' || paid.currency || '","sequence":'`;

/** Accounts are named by their owners, and may be named like a payment. */
const NO_ACCOUNT = "not starts_with(e.type, 'account.')";

/** By index ranges, each joined once; a full join leaves the planner the order, and merge or hash. */
const JOINED = `(${KEYS}) k
  full join ${eventsOf('payments', 'pay')} requested on requested.subject = k.subject
  full join ${eventsOf('validation', 'pay')} validated on validated.subject = k.subject
  full join ${eventsOf('authorization', 'pay', "e.type = 'payment.authorized'")} held on held.subject = k.subject
  full join ${eventsOf('ledger', 'pay', NO_ACCOUNT)} posted on posted.subject = k.subject
  full join ${eventsOf('authorization', 'pay', "e.type <> 'payment.authorized'")} completed on completed.subject = k.subject
  full join ${eventsOf('notification', 'pay')} queued on queued.subject = k.subject
  full join ${within(AUDITED_NOTIFICATIONS, 'pay')} told on told.subject = k.subject
  full join ${within(AUDITED_VERDICTS, 'pay')} verdict on verdict.subject = k.subject
  full join ${within(AUDITED_SAGAS, 'uuid')} saga on saga.payment_id = k.id
  full join ${within(AUDITED_HOLDS, 'uuid')} hold on hold.id = k.id
  full join ${within(AUDITED_ENTRY_IDS, 'uuid')} entry on entry.id = k.id
  left join lateral (
    ${AUDITED_PAYMENTS} where r.tenant = requested.tenant and r.id = k.id offset 0
  ) paid on true
  left join lateral (
    ${AUDITED_REFERENCES}
    where r.tenant = requested.tenant and r.wallet_id = paid.wallet_id and r.service_id = paid.service_id
      and r.reference = paid.reference
    offset 0
  ) kept on paid.reference is not null`;

/** What several of the texts have in common, made once. */
const RENDERED = `
  select '"wallet_id":"' || paid.wallet_id || '","service_id":"' || paid.service_id || '","amount":' || paid.amount
           || ',"currency":"' || paid.currency || '"' as terms,
         '{"entry_id":"jen_' || k.suffix || '","cause":"pay_' || k.suffix
           || '","purpose":"payment","postings":[{"account_id":"' || paid.wallet_id || '","direction":"debit${MOVED} as debit,
         '},{"account_id":"' || paid.service_id || '","direction":"credit${MOVED} as credit,
         ',"posted_at":"' || ${instantText('posted.occurred_at')} || '"' as posted_at,
         ${identity('payments', 'requested')} as requested,
         ${identity('validation', 'validated')} as validated,
         ${identity('authorization', 'held')} as held,
         ${identity('ledger', 'posted')} as posted,
         ${identity('authorization', 'completed')} as completed,
         ${identity('notification', 'queued')} as queued,
         split_part(told.payload, '"', 8) as told_at,
         split_part(told.payload, '"', 32) as told_amount
  offset 0`;

const AFTER = `',"posted_after":'`;

/** Where each posting stands in its account, read out of the entry's text; and the text made of it again (S2). */
const POSTINGS = `
  select part.*,
         rendered.debit || part.debited || ${AFTER} || part.debited_after || rendered.posted_at
           || rendered.credit || part.credited || ${AFTER} || part.credited_after || rendered.posted_at || '}]}' as text
  from (select split_part(posted.data, rendered.debit, 2) as text offset 0) rest,
       lateral (select split_part(rest.text, rendered.posted_at, 1) as debited,
                       split_part(split_part(rest.text, rendered.credit, 2), rendered.posted_at, 1) as credited
                offset 0) place,
       lateral (select split_part(place.debited, ${AFTER}, 1) as debited,
                       split_part(place.debited, ${AFTER}, 2) as debited_after,
                       split_part(place.credited, ${AFTER}, 1) as credited,
                       split_part(place.credited, ${AFTER}, 2) as credited_after
                offset 0) part
  offset 0`;

function identity(topic: SagaTopic, event: string): string {
  return `'${topic}/' || ${event}.partition || '/' || ${event}.position`;
}

/** Epoch milliseconds; exact where there are no microseconds. */
function stage(type: string, event: string): string {
  return `'["${type}","', rendered.${event}, '",', (date_part('epoch', ${event}.occurred_at) * 1000)::bigint, ']'`;
}

/** An instant as events have it. Of a stored one: then it is a date that there is. */
function instantText(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/**
 * PostgreSQL builds the states of a regular expression anew for each text: one with many of them, as dates and bounded
 * repetitions have, costs a hundred times one of three (measured: 114 µs for a pair of places, 2.5 for their numbers).
 */
const COUNT = '(?:0|[1-9][0-9]*)';
const SIGNED = '(?:0|-?[1-9][0-9]*)';
const PATTERNS = { count: COUNT, signed: SIGNED } as const;

/** Sign and digits: below 2^53. */
const NUMBER_LENGTH = 15;

/** Whether the texts are such numbers, each written in the one way that JSON is rendered. */
function areNumbers(texts: readonly (readonly [sql: string, kind: keyof typeof PATTERNS])[]): string {
  const lengths = texts.map(([sql]) => `octet_length(${sql}) <= ${NUMBER_LENGTH}`);
  const pattern = texts.map(([, kind]) => PATTERNS[kind]).join(',');
  return `concat_ws(',', ${texts.map(([sql]) => sql).join(', ')}) ~ '^${pattern}$' and ${lengths.join(' and ')}`;
}

/** Whether JSON renders the texts as they are. */
function areUnescaped(texts: readonly string[]): string {
  return `to_json(concat(${texts.join(', ')}))::text = '"' || concat(${texts.join(', ')}) || '"'`;
}

const EVENTS = ['requested', 'validated', 'held', 'posted', 'completed', 'queued'] as const;

function quoted(column: string): string {
  return `coalesce('"' || ${column} || '"', 'null')`;
}

const CONDITIONS = [
  `requested.type = 'payment.requested' and validated.type = 'payment.validated' and posted.type = 'entry.posted'
   and completed.type = 'payment.completed' and queued.type = 'notification.queued'`,
  ...EVENTS.slice(1).map((event) => `${event}.tenant = requested.tenant`),
  // In order, and to the millisecond, as the tables and verdicts have them.
  ...EVENTS.slice(1).map((event, index) => `${EVENTS[index]}.occurred_at <= ${event}.occurred_at`),
  ...EVENTS.map((event) => `${event}.occurred_at = ${event}.occurred_at::timestamptz(3)`),
  `validated.causation = rendered.requested and held.causation = rendered.validated
   and posted.causation = rendered.held and completed.causation = rendered.posted
   and queued.causation = rendered.completed`,
  // The rows.
  `paid.method = 'balance' and paid.status = 'completed' and paid.failure_code is null and paid.failure_detail is null
   and paid.amount between 1 and 9007199254740991 and paid.correlation_id = requested.correlation_id
   and paid.created_at = requested.occurred_at and paid.updated_at = completed.occurred_at
   and paid.status_position = completed.position`,
  'kept.holder is not distinct from case when paid.reference is not null then k.id end',
  `saga.definition = '${definitionName(balancePayment)}' and saga.state = 'completed' and saga.method = 'balance' and saga.wallet_id = paid.wallet_id
   and saga.service_id = paid.service_id and saga.amount = paid.amount and saga.currency = paid.currency`,
  `hold.state = 'captured' and hold.tenant = requested.tenant and hold.account_id = paid.wallet_id
   and hold.amount = paid.amount and hold.opened_at = held.occurred_at and hold.closed_at = posted.occurred_at`,
  `entry.purpose = 'payment'`,
  `told.type = 'payment.completed' and told.tenant = requested.tenant and told.id = k.told_id
   and told.created_at = queued.occurred_at`,
  `verdict.tenant = requested.tenant and verdict.verdict = 'complete' and verdict.findings = '[]'`,
  // S3
  areUnescaped([
    'paid.wallet_id',
    'paid.service_id',
    'paid.currency',
    'paid.reference',
    'paid.description',
    'paid.correlation_id',
    'rendered.told_at',
    'rendered.told_amount',
  ]),
  // S2
  `requested.data = '{' || rendered.terms || ',"method":"balance","reference":' || ${quoted('paid.reference')}
     || ',"description":' || ${quoted('paid.description')} || ',"metadata":' || coalesce(paid.metadata, 'null') || '}'`,
  `validated.data = '{' || rendered.terms || ',"method":"balance"}'`,
  `held.data = '{' || rendered.terms || ',"method":"balance","hold_id":"hld_' || k.suffix || '"}'`,
  // Members stand as in the request, or, if the saga was read back in between, as its row is read.
  `(completed.data = '{' || rendered.terms || ',"method":"balance","entry_id":"jen_' || k.suffix || '"}'
    or completed.data = '{"wallet_id":"' || paid.wallet_id || '","service_id":"' || paid.service_id || '","currency":"'
         || paid.currency || '","method":"balance","amount":' || paid.amount || ',"entry_id":"jen_' || k.suffix || '"}')`,
  `queued.data = '{"notification_id":"ntf_' || k.told_suffix || '","about":"payment.completed"}'`,
  'posted.data = postings.text',
  areNumbers([
    ['postings.debited', 'count'],
    ['postings.debited_after', 'signed'],
    ['postings.credited', 'count'],
    ['postings.credited_after', 'signed'],
  ]),
  `told.payload = '{"type":"payment.completed","timestamp":"' || rendered.told_at || '","data":{"payment_id":"pay_'
     || k.suffix || '",' || rendered.terms || ',"amount_text":"' || rendered.told_amount
     || '","method":"balance","failure":null,"correlation_id":"' || paid.correlation_id || '"}}'`,
  `verdict.stages = concat('[', ${[
    stage('payment.requested', 'requested'),
    stage('payment.validated', 'validated'),
    stage('payment.authorized', 'held'),
    stage('entry.posted', 'posted'),
    stage('payment.completed', 'completed'),
    stage('notification.queued', 'queued'),
  ].join(`, ',', `)}, ']')`,
];

const SUBJECTS = ['k', 'requested', 'validated', 'held', 'posted', 'completed', 'queued', 'told', 'verdict'];

/** What no plain payment has, and what refunds have. */
const BESIDE = [
  [eventsOf('providers', 'pay'), 'subject'],
  [within(AUDITED_ATTEMPTS, 'pay'), 'subject'],
  [within(AUDITED_COMPENSATIONS, 'uuid'), 'payment_id'],
  ...SAGA_TOPICS.map((topic) => [eventsOf(topic, 'ref', NO_ACCOUNT), 'subject'] as const),
  [within(AUDITED_NOTIFICATIONS, 'ref'), 'subject'],
  [within(AUDITED_VERDICTS, 'ref'), 'subject'],
  [within(AUDITED_ATTEMPTS, 'ref'), 'subject'],
  [within(AUDITED_REFUND_SAGAS, 'uuid'), 'refund_id'],
] as const;

/**
 * One row: how many of the plain payments have a reference; of what is not plain the subject, or the uuid if only rows tell
 * of it; of plain payments with metadata these, which must be looked at as JSON.
 */
export const FIND_PLAIN = `
  with judged as (
    select coalesce(${SUBJECTS.map((name) => `${name}.subject`).join(', ')},
                    coalesce(saga.payment_id, hold.id, entry.id)::text) as name,
           paid.reference, paid.metadata, (${CONDITIONS.join('\n and ')}) is true as is_plain
    from ${JOINED}
    cross join lateral (${RENDERED}) rendered
    cross join lateral (${POSTINGS}) postings
  ), beside as (
    ${BESIDE.map(([rows, column]) => `select b.${column}::text as name from ${rows} b`).join('\n union all ')}
  )
  select count(reference) filter (where is_plain)::integer as referenced,
         array_cat(array_agg(name) filter (where not is_plain), (select array_agg(name) from beside)) as others,
         array_agg(name) filter (where is_plain and metadata is not null) as described,
         array_agg(metadata) filter (where is_plain and metadata is not null) as metadata
  from judged`;
