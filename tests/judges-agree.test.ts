/** Integrity judges each saga as it runs, the proof judges it again by an implementation of its own: they must agree. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LogEvent } from '#platform/log/event.ts';
import { judgeSaga, SagaMap } from '#proof/judge-saga.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { judge } from '#services/integrity/follow-saga.ts';
import { seenEvent } from '#services/integrity/seen-event.ts';

const SAGA = new SagaMap(balancePayment);
const TERMS = { wallet_id: 'w', service_id: 's', amount: 7, currency: 'USD', method: 'balance' };

const PATHS = [
  ['payment.requested', 'payment.rejected', 'notification.queued'],
  ['payment.requested', 'payment.validated', 'payment.declined', 'notification.queued'],
  [
    'payment.requested',
    'payment.validated',
    'payment.authorized',
    'payment.completed',
    'notification.queued',
  ],
  [
    'payment.requested',
    'payment.validated',
    'payment.authorized',
    'posting.refused',
    'payment.failed',
    'notification.queued',
  ],
] as const;

function chain(types: readonly string[]): LogEvent[] {
  return types.map((type, index) => ({
    topic: 'log',
    partition: 0,
    position: index + 1,
    type,
    version: 1,
    subject: 'pay_1',
    tenant: 'acme',
    key: 'w',
    data: type === 'posting.refused' || type === 'notification.queued' ? {} : TERMS,
    occurredAt: 0,
    correlationId: 'cor_1',
    causation: index === 0 ? 'req_1' : `log/0/${index}`,
    traceparent: null,
  }));
}

type Change = (events: LogEvent[], at: number) => LogEvent[];

const CHANGES: readonly Change[] = [
  (events, at) => events.filter((_, index) => index !== at),
  (events, at) => [...events, { ...(events[at] as LogEvent), position: 100 + at }],
  (events, at) => events.with(at, { ...(events[at] as LogEvent), causation: 'log/0/99' }),
  (events, at) => events.with(at, { ...(events[at] as LogEvent), data: { ...TERMS, amount: 8 } }),
  (events, at) => events.slice(0, at + 1),
  (events) => events.toReversed(),
];

const changed = fc
  .tuple(
    fc.constantFrom(...PATHS),
    fc.array(fc.tuple(fc.constantFrom(...CHANGES), fc.nat()), { maxLength: 3 }),
  )
  .map(([types, changes]) =>
    changes.reduce(
      (events, [change, at]) => (events.length === 0 ? events : change(events, at % events.length)),
      chain(types),
    ),
  );

test('a saga is complete, broken or running to both judges, whatever was done to its log', () => {
  fc.assert(
    fc.property(changed, (events) => {
      const theirs = judge(balancePayment, events.map(seenEvent));
      const ours = judgeSaga(
        SAGA,
        events.map((event) => ({
          ...event,
          identity: `${event.topic}/${event.partition}/${event.position}`,
          at: event.occurredAt,
        })),
      );
      const settled = ours.ended || ours.repeats;
      const verdict = !settled ? 'running' : ours.faults.length === 0 ? 'complete' : 'broken';
      expect(verdict).toBe(theirs.verdict);
      if (verdict === 'complete') {
        expect(ours.line.map(({ identity }) => identity)).toEqual(
          theirs.path.map(({ identity }) => identity),
        );
      }
    }),
    { numRuns: 2000 },
  );
});
