import { describe, expect, test } from 'vitest';
import type { JsonObject } from '#platform/log/event.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { judgeSaga } from './judge-saga.ts';
import { SagaMap, sagaMapFor } from './saga-map.ts';
import type { TracedEvent } from './traced-event.ts';

const SAGA = new SagaMap(balancePayment);
const TERMS = { wallet_id: 'w', service_id: 's', amount: 7, currency: 'USD', method: 'balance' };

function posting(accountId: string, direction: 'debit' | 'credit'): JsonObject {
  const place = { sequence: 1, posted_after: 0, posted_at: '2026-11-20T10:00:00.000Z' };
  return { account_id: accountId, direction, amount: 7, currency: 'USD', ...place };
}

const ENTRY: JsonObject = {
  entry_id: 'jen_00000000000000000000000000',
  cause: 'pay_00000000000000000000000000',
  purpose: 'payment',
  postings: [posting('w', 'debit'), posting('s', 'credit')],
};

/** Each event caused by the one before it. */
function chain(...types: readonly string[]): TracedEvent[] {
  return types.map((type, index) => ({
    topic: 'log',
    partition: 0,
    position: index + 1,
    identity: `log/0/${index + 1}`,
    type,
    tenant: 'acme',
    at: 0,
    causation: index === 0 ? 'req_1' : `log/0/${index}`,
    data: type === 'entry.posted' ? ENTRY : type === 'notification.queued' ? {} : TERMS,
  }));
}

const COMPLETED = [
  'payment.requested',
  'payment.validated',
  'payment.authorized',
  'entry.posted',
  'payment.completed',
  'notification.queued',
] as const;

function kindsOf(events: readonly TracedEvent[]): string[] {
  return judgeSaga(sagaMapFor('pay_1', events), events).faults.map(({ kind }) => kind);
}

describe('a saga', () => {
  test.each([
    ['completed', COMPLETED],
    ['rejected', ['payment.requested', 'payment.rejected', 'notification.queued']],
    ['declined', ['payment.requested', 'payment.validated', 'payment.declined', 'notification.queued']],
    [
      'failed',
      [
        'payment.requested',
        'payment.validated',
        'payment.authorized',
        'posting.refused',
        'payment.failed',
        'notification.queued',
      ],
    ],
  ])('that %s is sound and has ended, in whatever order its events are known', (_ending, types) => {
    for (const events of [chain(...types), chain(...types).toReversed()]) {
      const { ended, faults, line } = judgeSaga(SAGA, events);
      expect({ ended, faults }).toEqual({ ended: true, faults: [] });
      expect(line.map(({ type }) => type)).toEqual(types);
    }
  });

  test('awaits the stage that is due after its last event', () => {
    for (const [index, stage] of [
      'validation',
      'authorization',
      'ledger',
      'completion',
      'notification',
    ].entries()) {
      const { ended, owed, faults } = judgeSaga(SAGA, chain(...COMPLETED.slice(0, index + 1)));
      const due = owed.flatMap(({ stages }) => stages.map(({ name }) => name));
      expect({ ended, due, faults }).toEqual({ ended: false, due: [stage], faults: [] });
    }
  });

  test('is broken by an event that is not there', () => {
    const [, ...withoutBeginning] = chain(...COMPLETED);
    expect(kindsOf(withoutBeginning)).toEqual(['missing_beginning']);
    const withoutHold = chain(...COMPLETED).filter(({ type }) => type !== 'payment.authorized');
    expect(kindsOf(withoutHold)).toEqual(['event_out_of_line', 'event_out_of_line', 'event_out_of_line']);
  });

  test('is broken by an event that is there twice', () => {
    const events = chain(...COMPLETED);
    const again = { ...(events[3] as TracedEvent), position: 9, identity: 'log/0/9' };
    expect(judgeSaga(SAGA, [...events, again])).toMatchObject({
      repeats: true,
      faults: [{ kind: 'repeated_event' }],
    });
  });

  test('is broken by an ending beside its ending', () => {
    const declined = {
      ...(chain('payment.declined')[0] as TracedEvent),
      identity: 'log/1/1',
      causation: 'log/0/2',
    };
    expect(kindsOf([...chain(...COMPLETED), declined])).toEqual(['second_outcome', 'second_ending']);
  });

  test.each([
    ['terms', { data: { ...TERMS, amount: 8 } }, 'mismatched_terms'],
    ['tenant', { tenant: 'other' }, 'mismatched_terms'],
    ['data', { data: undefined }, 'unreadable_event'],
    ['amount', { data: { ...TERMS, amount: 7.5 } }, 'unreadable_event'],
  ])('is broken by an event with other %s', (_what, change, kind) => {
    const events = chain(...COMPLETED);
    events[2] = { ...(events[2] as TracedEvent), ...change };
    expect(kindsOf(events)).toEqual([kind]);
  });

  test('is broken by an entry that moves another amount', () => {
    const events = chain(...COMPLETED);
    const postings = [posting('w', 'debit'), { ...posting('s', 'credit'), amount: 8 }];
    events[3] = { ...(events[3] as TracedEvent), data: { ...ENTRY, postings } };
    expect(kindsOf(events)).toEqual(['unreadable_event']);
  });

  test('is broken by an event of another saga', () => {
    const alien = {
      ...(chain('provider.approved')[0] as TracedEvent),
      identity: 'log/1/1',
      causation: 'log/0/3',
    };
    expect(kindsOf([...chain(...COMPLETED), alien])).toEqual(['event_out_of_line']);
  });

  test('is not broken by what a person asks, and owes an answer', () => {
    const asked = { ...(chain('payment.cancel_requested')[0] as TracedEvent), identity: 'log/1/1' };
    const { ended, owed, faults } = judgeSaga(SAGA, [...chain(...COMPLETED), asked]);
    expect({ ended, faults }).toEqual({ ended: false, faults: [] });
    expect(owed.map(({ stages }) => stages[0]?.name)).toEqual(['cancel admission']);
  });

  test('takes no notice of events that no definition names', () => {
    expect(kindsOf([...chain(...COMPLETED), ...chain('account.opened')])).toEqual([]);
  });
});
