import { expect, test } from 'vitest';
import { uuidOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { eventsOn, identityOf } from '../../tests/saga-events.ts';
import { SAGA_PATHS, type SagaPath } from '../../tests/saga-paths.ts';
import { judgeRefunds, RefundBook } from './refund-book.ts';
import { Check } from './report.ts';
import type { SagaTimeline } from './saga-timelines.ts';

function pathNamed(title: string): SagaPath {
  const found = SAGA_PATHS.find((path) => path.title === title);
  if (found === undefined) throw new Error(`no path ${title}`);
  return found;
}

function timelineOf(title: string): SagaTimeline {
  const events = eventsOn(pathNamed(title)).map((event) => ({
    ...event,
    identity: identityOf(event),
    at: event.occurredAt,
  }));
  const subject = events[0]?.subject as SagaTimeline['subject'];
  return { subject, uuid: uuidOf(subject), events, correlationId: undefined };
}

const PAID = timelineOf('a payment (gateway) approved');
const REVERSED = timelineOf('a payment (gateway) completed, then reversed');
const COMPLETED = timelineOf('a refund (gateway) completed');
const PENDING = timelineOf('a refund (gateway) rejected');

function kindsOf(payment: SagaTimeline | undefined, ...refunds: readonly SagaTimeline[]): string[] {
  const book = new RefundBook();
  for (const refund of refunds) book.enter(refund);
  const check = new Check('refunds');
  judgeRefunds({ payment, refunds: book.refundsOf(PAID.subject as never) }, check);
  return check.report().findings.map(({ kind }) => kind);
}

test('D5: as much may be given back as was moved, and not more', () => {
  expect(kindsOf(PAID, COMPLETED)).toEqual([]);
  expect(kindsOf(PAID, COMPLETED, PENDING)).toEqual([]);
  expect(kindsOf(PAID, COMPLETED, COMPLETED)).toEqual(['refunded_too_much']);
  expect(kindsOf(REVERSED, COMPLETED)).toEqual(['refunded_too_much']);
});

test('what is given back was moved, between the same accounts', () => {
  expect(kindsOf(undefined, COMPLETED)).toEqual(['refund_of_nothing']);
  const [requested, ...others] = PAID.events;
  const unreadable = { ...(requested as (typeof PAID.events)[number]), data: undefined };
  for (const events of [others, [unreadable, ...others]])
    expect(kindsOf({ ...PAID, events }, COMPLETED)).toEqual(['refund_of_nothing']);
  expect(kindsOf(timelineOf('a payment (gateway) waiting for its provider'), COMPLETED)).toEqual([
    'refund_of_unpaid',
  ]);
  expect(kindsOf(timelineOf('a payment (balance) completed'), COMPLETED)).toEqual(['refund_on_other_terms']);
});

test.each<[string, { readonly tenant?: string; readonly data?: JsonObject }]>([
  ['tenant', { tenant: 'globex' }],
  ['wallet', { data: { wallet_id: 'another' } }],
  ['service', { data: { service_id: 'another' } }],
  ['currency', { data: { currency: 'EUR' } }],
  ['method', { data: { method: 'balance' } }],
])('what is given back of the payment of another %s is found', (_, { data = {}, ...other }) => {
  const events = COMPLETED.events.map((event) => ({
    ...event,
    ...other,
    data: event.data && { ...event.data, ...data },
  }));
  expect(kindsOf(PAID, { ...COMPLETED, events })).toEqual(['refund_on_other_terms']);
});

test('what was not given back may be of a payment that moved nothing', () => {
  expect(kindsOf(timelineOf('a payment (gateway) waiting for its provider'), PENDING)).toEqual([]);
});

test('of payments nothing is entered', () => {
  const book = new RefundBook();
  book.enter(PAID);
  expect(book.payments).toEqual([]);
});
