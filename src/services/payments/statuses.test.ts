/** What the sagas' events make of payments, refunds and totals, in the order of the coordinator's log. */
import { describe, expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { SAGAS } from '#sagas/definitions.ts';
import { PAYMENT_STATUSES } from './payment.ts';
import { eventAt, NOW, noTotals, PAYMENT_UUID, REFUND_UUID } from './payment-fixture.ts';
import { PAYMENT_STATUS_EVENTS, statusChangeOf } from './payment-status.ts';
import { paymentKey, REFUND_STATUSES, type RefundStatus, type RefundTotals } from './refund.ts';
import { REFUND_STATUS_EVENTS, RefundBook } from './refund-status.ts';

const WHY = { code: 'ledger.account_closed', detail: 'It is closed.' };

test('every ending and standing of every saga is heard, and is a status that there is', () => {
  const told = SAGAS.flatMap(({ endings, standings }) => Object.entries({ ...standings, ...endings }));
  const heard = new Map([...PAYMENT_STATUS_EVENTS, ...REFUND_STATUS_EVENTS]);
  expect(told.filter(([type]) => !heard.has(type))).toEqual([]);
  const statuses = new Set<string>([...PAYMENT_STATUSES, ...REFUND_STATUSES]);
  expect(told.filter(([, status]) => !statuses.has(status))).toEqual([]);
});

const SAYING_WHY = new Set([
  'payment.declined',
  'payment.reconciliation_required',
  'payment.compensating',
  'payment.compensated',
]);

describe('a payment', () => {
  test.each([
    [['payment.authorized', 'payment.completed'], 'completed', null],
    [['payment.authorized', 'payment.cancelled'], 'cancelled', null],
    [['payment.declined'], 'declined', WHY],
    [['payment.authorized', 'payment.reconciliation_required'], 'reconciliation_required', WHY],
    [['payment.authorized', 'payment.reconciliation_required', 'payment.completed'], 'completed', null],
    [['payment.authorized', 'payment.compensating'], 'authorized', WHY],
    [['payment.compensating'], null, WHY],
    [['payment.completed', 'payment.compensating'], 'completed', WHY],
    [['payment.completed', 'payment.compensating', 'payment.compensated'], 'compensated', WHY],
    [['payment.completed', 'payment.reconciliation_required'], 'reconciliation_required', WHY],
    [['payment.charged', 'payment.cancelling'], undefined, undefined],
  ])('after %j is %s', (types, status, failure) => {
    const events = types.map((type, index) =>
      eventAt(index + 1, type, SAYING_WHY.has(type) ? { data: WHY } : {}),
    );
    const change = statusChangeOf(events);
    expect(change?.status).toEqual(status);
    expect(change?.failure).toEqual(failure);
  });

  test('has its last word from the last event that changes it', () => {
    const events = [
      eventAt(3, 'payment.authorized'),
      eventAt(5, 'payment.completed'),
      eventAt(6, 'payment.cancel_refused'),
    ];
    expect(statusChangeOf(events)).toMatchObject({ uuid: PAYMENT_UUID, position: 5, at: NOW + 5 });
  });

  test('that validation rejects has no place in the coordinator’s log', () => {
    expect(
      statusChangeOf([eventAt(7, 'payment.rejected', { topic: 'validation', data: WHY })]),
    ).toMatchObject({
      status: 'rejected',
      position: 0,
      failure: WHY,
    });
  });
});

/** A refund of 40, and others that stand where it does. */
function bookOf(
  status: RefundStatus,
  statusPosition: number,
  totals: RefundTotals,
  ...others: readonly { readonly uuid: string; readonly amountMinor: bigint }[]
) {
  const refunds = [{ uuid: REFUND_UUID, amountMinor: 40n }, ...others].map((refund) => ({
    tenant: 'acme',
    paymentUuid: PAYMENT_UUID,
    status,
    statusPosition,
    ...refund,
  }));
  return new RefundBook({
    refunds: new Map(refunds.map((refund) => [paymentKey(refund), refund])),
    totals: new Map([[paymentKey({ tenant: 'acme', uuid: PAYMENT_UUID }), totals]]),
  });
}

const OTHER_UUID = '0198a2b4-0000-7000-8000-000000000003';
const PROMISED: RefundTotals = { ...noTotals, promisedMinor: 70n };

function taking(book: RefundBook, ...events: LogEvent[]) {
  for (const event of events) book.take(event);
  return book.changes();
}

describe('a refund', () => {
  test.each([
    ['refund.completed', 'completed', { promisedMinor: 70n, refundedMinor: 40n }],
    ['refund.declined', 'declined', { promisedMinor: 30n, refundedMinor: 0n }],
    ['refund.failed', 'failed', { promisedMinor: 30n, refundedMinor: 0n }],
    ['refund.authorized', 'authorized', undefined],
    ['refund.reconciliation_required', 'reconciliation_required', undefined],
  ])('after %s is %s, and the totals say so', (type, status, totals) => {
    const changes = taking(bookOf('pending', 0, PROMISED), eventAt(4, type));
    expect(changes.refunds).toMatchObject([{ uuid: REFUND_UUID, status, position: 4 }]);
    expect(changes.totals).toEqual(totals === undefined ? [] : [{ ...PROMISED, ...totals }]);
  });

  test('that validation rejects gives its promise back', () => {
    const rejected = eventAt(9, 'refund.rejected', { topic: 'validation', data: WHY });
    const changes = taking(bookOf('pending', 0, PROMISED), rejected);
    expect(changes).toMatchObject({
      refunds: [{ status: 'rejected', failure: WHY, position: 0 }],
      totals: [{ promisedMinor: 30n }],
    });
  });

  test('goes its way within a batch, and is counted once', () => {
    const types = [
      'refund.authorized',
      'refund.reconciliation_required',
      'refund.completed',
      'refund.completed',
    ];
    const changes = taking(
      bookOf('pending', 0, PROMISED),
      ...types.map((type, index) => eventAt(Math.min(index + 1, 3), type)),
    );
    expect(changes).toMatchObject({
      refunds: [{ status: 'completed' }],
      totals: [{ promisedMinor: 70n, refundedMinor: 40n }],
    });
  });

  test.each([
    ['refund.completed', { promisedMinor: 70n, refundedMinor: 70n }],
    ['refund.failed', { promisedMinor: 0n, refundedMinor: 0n }],
  ])('that ends with %s in the batch in which another of its payment does: both count', (type, totals) => {
    const book = bookOf('authorized', 1, PROMISED, { uuid: OTHER_UUID, amountMinor: 30n });
    const changes = taking(book, eventAt(2, type), eventAt(3, type, { subject: idOf('ref', OTHER_UUID) }));
    expect(changes.refunds).toHaveLength(2);
    expect(changes.totals).toEqual([{ ...PROMISED, ...totals }]);
  });

  test.each([
    ['completed', 4, eventAt(4, 'refund.completed')],
    ['completed', 4, eventAt(3, 'refund.authorized')],
    ['failed', 4, eventAt(2, 'refund.reconciliation_required')],
    ['rejected', 0, eventAt(9, 'refund.rejected', { topic: 'validation' })],
  ] as const)('U3: that is %s at %i is not changed by what it was told before', (status, position, event) => {
    expect(taking(bookOf(status, position, PROMISED), event)).toEqual({ refunds: [], totals: [] });
  });

  test('that nobody asked for is nobody’s', () => {
    const book = new RefundBook({ refunds: new Map(), totals: new Map() });
    expect(taking(book, eventAt(1, 'refund.completed'))).toEqual({ refunds: [], totals: [] });
  });
});

describe('a person’s word that did not count', () => {
  test.each([
    ['lets refunds be asked for again', NOW + 5, null],
    ['is not a later one', NOW + 6, NOW + 6],
  ])('%s', (_, undoRequestedAt, left) => {
    const changes = taking(
      bookOf('pending', 0, { ...PROMISED, undoRequestedAt }),
      eventAt(5, 'payment.resolution_refused', { data: WHY }),
    );
    expect(changes.totals).toEqual(left === null ? [{ ...PROMISED, undoRequestedAt: null }] : []);
  });

  test.each([
    ['of which nothing was promised', new Map<string, RefundTotals>()],
    ['that nobody wanted undone', new Map([[paymentKey({ tenant: 'acme', uuid: PAYMENT_UUID }), PROMISED]])],
  ])('changes nothing of a payment %s', (_, totals) => {
    const book = new RefundBook({ refunds: new Map(), totals });
    const refused = eventAt(5, 'payment.resolution_refused', { data: WHY });
    expect(taking(book, refused)).toEqual({ refunds: [], totals: [] });
  });
});
