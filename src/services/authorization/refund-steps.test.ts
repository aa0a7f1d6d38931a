/** A refund, event by event: what is said, where its saga stands then, and whose money it is (D5, U3). */
import { describe, expect, test } from 'vitest';
import { uuidOf } from '#kernel/ids.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { AMOUNT, FUNDED, type SagaScenario, type ScenarioOptions } from '../../../tests/saga-scenario.ts';
import { BALANCE, GATEWAY, given, TOLD } from '../../../tests/told-events.ts';

/** The answer, and the saga's state behind it. */
type Cell = `${string} → ${string}`;

describe('a refund', () => {
  type Method = ScenarioOptions['method'];
  type RefundEvent = 'validated' | 'posted' | 'refused' | 'refunded' | 'refund refused' | 'refund unresolved';

  const REFUND_EVENTS: readonly RefundEvent[] = [
    'validated',
    'posted',
    'refused',
    'refunded',
    'refund refused',
    'refund unresolved',
  ];

  function paid(method: Method): SagaScenario {
    return given(method, method === 'balance' ? BALANCE.completed : GATEWAY.completed);
  }

  function makeRefund(s: SagaScenario, name: RefundEvent, amount: number = AMOUNT): LogEvent {
    const order = s.log.findLast(({ topic, subject }) => topic === 'authorization' && subject === s.refund);
    if (name === 'validated') {
      const terms = { payment_id: s.payment, ...s.terms, amount };
      return s.tell('validation', 'refund.validated', terms, s.refund);
    }
    if (name === 'posted') {
      const isOpen = s.refundHold?.state === 'open';
      const posted = order !== undefined && isOpen ? s.post(order) : undefined;
      return posted ?? s.tell('ledger', 'entry.posted', { purpose: 'refund', postings: [] }, s.refund);
    }
    if (name === 'refused') {
      const data = { purpose: 'refund', code: 'ledger.account_closed', detail: 'Closed.' };
      return s.tell('ledger', 'posting.refused', data, s.refund);
    }
    const [topic, type, data] = TOLD[name];
    return s.tell(topic, type, data, s.refund);
  }

  function givenRefund(method: Method, events: readonly RefundEvent[]): SagaScenario {
    const s = paid(method);
    for (const name of events) s.coordinate(makeRefund(s, name));
    return s;
  }

  const ASKED = {
    refunded: 'refund.confirmed → confirmed',
    'refund refused': 'refund.failed → failed',
  } as const;

  const TABLE: readonly {
    method: Method;
    state: string;
    events: readonly RefundEvent[];
    row: Partial<Record<RefundEvent, Cell>>;
    held: 'open' | 'captured' | 'released' | undefined;
  }[] = [
    {
      method: 'balance',
      state: 'unknown',
      events: [],
      row: { validated: 'refund.authorized → authorized' },
      held: undefined,
    },
    {
      method: 'balance',
      state: 'authorized',
      events: ['validated'],
      row: { posted: 'refund.completed → completed', refused: 'refund.failed → failed' },
      held: 'open',
    },
    { method: 'balance', state: 'completed', events: ['validated', 'posted'], row: {}, held: 'captured' },
    { method: 'balance', state: 'failed', events: ['validated', 'refused'], row: {}, held: 'released' },
    {
      method: 'gateway',
      state: 'unknown',
      events: [],
      row: { validated: 'refund.authorized → authorized' },
      held: undefined,
    },
    {
      method: 'gateway',
      state: 'authorized',
      events: ['validated'],
      row: { ...ASKED, 'refund unresolved': 'refund.reconciliation_required → reconciling' },
      held: 'open',
    },
    {
      method: 'gateway',
      state: 'reconciling',
      events: ['validated', 'refund unresolved'],
      row: ASKED,
      held: 'open',
    },
    {
      method: 'gateway',
      state: 'confirmed',
      events: ['validated', 'refunded'],
      row: { posted: 'refund.completed → completed', refused: 'refund.reconciliation_required → parked' },
      held: 'open',
    },
    // The provider has paid: the amount stays aside, whatever anybody says, until it is posted.
    {
      method: 'gateway',
      state: 'parked',
      events: ['validated', 'refunded', 'refused'],
      row: { refunded: 'refund.confirmed → confirmed' },
      held: 'open',
    },
    {
      method: 'gateway',
      state: 'parked after doubts',
      events: ['validated', 'refund unresolved', 'refunded', 'refused'],
      row: { refunded: 'refund.confirmed → confirmed' },
      held: 'open',
    },
    {
      method: 'gateway',
      state: 'parked twice',
      events: ['validated', 'refunded', 'refused', 'refunded', 'refused'],
      row: { refunded: 'refund.confirmed → confirmed' },
      held: 'open',
    },
    {
      method: 'gateway',
      state: 'posted at the second order',
      events: ['validated', 'refunded', 'refused', 'refunded', 'posted'],
      row: {},
      held: 'captured',
    },
    {
      method: 'gateway',
      state: 'completed',
      events: ['validated', 'refunded', 'posted'],
      row: {},
      held: 'captured',
    },
    {
      method: 'gateway',
      state: 'failed',
      events: ['validated', 'refund refused'],
      row: {},
      held: 'released',
    },
  ];

  describe.each(TABLE)('of a $method payment, $state', ({ method, events, row, held }) => {
    test('its hold', () => {
      expect(givenRefund(method, events).refundHold?.state).toBe(held);
    });

    test.each(REFUND_EVENTS.map((name) => ({ name })))('$name', ({ name }) => {
      const s = givenRefund(method, events);
      const stateNow = (): string | undefined => s.sagas.findRefund(uuidOf(s.refund))?.state;
      const before = stateNow();
      const answer = s.coordinate(makeRefund(s, name));
      expect(`${answer?.type ?? ''} → ${stateNow()}`).toBe(row[name] ?? ` → ${before}`);
      const total = s.balance('wallet').postedMinor + s.balance('service').postedMinor;
      expect(total).toBe(FUNDED);
      expect(s.balance('service').heldMinor).toBe(s.refundHold?.state === 'open' ? BigInt(AMOUNT) : 0n);
      const told = s.log.filter(({ topic }) => topic !== 'authorization');
      const after = s.snapshot();
      for (const event of told) expect([event.type, s.coordinate(event)]).toEqual([event.type, undefined]);
      expect(s.snapshot()).toEqual(after);
    });
  });

  test.each(['balance', 'gateway'] as const)(
    'into a wallet that was closed meanwhile is declined before anybody is asked for a %s payment’s',
    (method) => {
      const s = paid(method);
      s.balance('wallet').status = 'closed';
      expect(s.coordinate(makeRefund(s, 'validated'))).toMatchObject({
        type: 'refund.declined',
        data: { code: 'ledger.account_closed' },
      });
      expect(s.balance('service').heldMinor).toBe(0n);
    },
  );

  test.each([
    { over: -1, type: 'refund.authorized' },
    { over: 0, type: 'refund.authorized' },
    { over: 1, type: 'refund.declined' },
  ])('D5: of what the service has $over: $type', ({ over, type }) => {
    const s = paid('gateway');
    expect(s.coordinate(makeRefund(s, 'validated', AMOUNT + over))?.type).toBe(type);
    expect(`refund.${s.sagas.findRefund(uuidOf(s.refund))?.state}`).toBe(type);
    expect(s.balance('service').heldMinor).toBe(type === 'refund.declined' ? 0n : BigInt(AMOUNT + over));
  });
});
