/** What is undone, in reverse, and what is done when that fails (U5, K1, K2). */
import { describe, expect, test } from 'vitest';
import type { LogEvent } from '#platform/log/event.ts';
import type { SagaScenario } from '../../../tests/saga-scenario.ts';
import { GATEWAY, given, make } from '../../../tests/told-events.ts';
import { compensate, RETRY_PAUSES_MS } from './compensation.ts';

test('K1: steps are done in reverse, each asked for when the one before it is done, and the hold is given back last', () => {
  const s = given('gateway', GATEWAY.completed);
  const saga = s.sagas.findPayment(s.uuid);
  if (saga === undefined) throw new Error('no saga');
  const posted = s.log.at(-1) as LogEvent;
  const first = compensate(
    posted,
    { sagas: s.sagas, books: s.books, now: s.now, answered: new Set() },
    saga,
    { failed: 'completion', code: 'some.code', detail: 'Some detail.' },
  );
  expect(first).toMatchObject({ type: 'payment.compensating', data: { step: 'reverse_posting' } });
  expect(s.sagas.findCompensation(s.uuid)?.steps).toEqual([
    'reverse_posting',
    'refund_charge',
    'release_hold',
  ]);
  for (const early of ['refunded', 'refund refused', 'refund unresolved'] as const)
    expect(s.coordinate(make(s, early))).toBeUndefined();
  const reversed = s.coordinate(s.tell('ledger', 'entry.posted', { purpose: 'reversal', postings: [] }));
  expect(reversed).toMatchObject({ type: 'payment.compensating', data: { step: 'refund_charge' } });
  const refunded = s.coordinate(make(s, 'refunded'));
  expect(refunded).toMatchObject({ type: 'payment.compensated', data: { code: 'some.code' } });
  expect(s.hold?.state).toBe('captured');
  expect(s.sagas.findCompensation(s.uuid)).toBeUndefined();
});

describe('K2: a reversal that is refused', () => {
  const reversing = GATEWAY['reversing a posting'];

  function refuseReversal(s: SagaScenario): LogEvent {
    const order = s.log.findLast(({ type }) => type === 'payment.compensating') as LogEvent;
    const refusal = s.post(order) as LogEvent;
    expect(refusal.type).toBe('posting.refused');
    return refusal;
  }

  /** The service has spent what it was paid. */
  function givenSpent(): SagaScenario {
    const s = given('gateway', reversing);
    s.balance('service').postedMinor = 99n;
    return s;
  }

  test('is asked for again with growing pauses, each time once, and then left to a person', () => {
    const s = givenSpent();
    const refusals: LogEvent[] = [];
    for (const pauseMs of RETRY_PAUSES_MS) {
      const refusal = refuseReversal(s);
      refusals.push(refusal);
      expect(s.coordinate(refusal)).toBeUndefined();
      for (const again of refusals) expect(s.coordinate(again)).toBeUndefined();
      expect(s.sagas.findCompensation(s.uuid)).toMatchObject({
        failures: refusals.length,
        retryAt: s.now + pauseMs,
      });
      s.now += pauseMs - 1;
      expect(s.askAgain()).toBeUndefined();
      s.now += 1;
      const asked = s.askAgain();
      expect(asked).toMatchObject({ type: 'payment.compensating', data: { step: 'reverse_posting' } });
      expect(asked?.causation).toBe(`ledger/0/${refusal.position}`);
      expect(s.askAgain()).toBeUndefined();
      const before = s.snapshot();
      for (const again of refusals) expect(s.coordinate(again)).toBeUndefined();
      expect(s.snapshot()).toEqual(before);
    }
    const last = s.coordinate(refuseReversal(s));
    expect(last).toMatchObject({
      type: 'payment.reconciliation_required',
      data: { code: 'payments.compensation_failed' },
    });
    expect(s.sagas.findPayment(s.uuid)?.state).toBe('parked');
    expect(s.askAgain()).toBeUndefined();
  });

  test('is done when it is asked for again and the money is there', () => {
    const s = givenSpent();
    s.coordinate(refuseReversal(s));
    s.balance('service').postedMinor = 100n;
    s.now += 1000;
    const posted = s.post(s.askAgain() as LogEvent) as LogEvent;
    expect(s.coordinate(posted)?.type).toBe('payment.compensated');
    expect(s.balance('service').postedMinor).toBe(0n);
    expect(s.sagas.findCompensation(s.uuid)).toBeUndefined();
  });

  test('begins anew once a person has seen to it, and counts none of what was refused before', () => {
    const s = givenSpent();
    for (let time = 0; time <= RETRY_PAUSES_MS.length; time++) {
      s.coordinate(refuseReversal(s));
      s.now += 600_000;
      s.askAgain();
    }
    expect(s.coordinate(make(s, 'say not charged'))).toMatchObject({
      type: 'payment.charge_resolved',
      data: { outcome: 'not_charged', regarding: 'charge' },
    });
    const asked = s.coordinate(make(s, 'resolved not charged'));
    expect(asked).toMatchObject({ type: 'payment.compensating', data: { step: 'reverse_posting' } });
    const before = s.snapshot();
    for (const event of s.log.filter(({ topic }) => topic !== 'authorization'))
      expect(s.coordinate(event)).toBeUndefined();
    expect(s.snapshot()).toEqual(before);
    s.balance('service').postedMinor = 100n;
    expect(s.coordinate(s.post(asked as LogEvent) as LogEvent)?.type).toBe('payment.compensated');
  });

  test('is not what a provider that refuses a refund talks of, nor the other way round', () => {
    const s = given('gateway', reversing);
    const before = s.snapshot();
    for (const name of ['refund refused', 'refund unresolved', 'refunded'] as const)
      expect(s.coordinate(make(s, name))).toBeUndefined();
    expect(s.snapshot()).toEqual(before);
    const refunding = given('gateway', GATEWAY['refunding a charge']);
    const untouched = refunding.snapshot();
    expect(refunding.coordinate(make(refunding, 'reversal refused'))).toBeUndefined();
    expect(refunding.snapshot()).toEqual(untouched);
  });
});
